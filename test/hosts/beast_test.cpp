// SPDX-License-Identifier: MIT
// use_await on real parts: an HTTP server and clients of Boost.Beast in one process, as plain functions.
#include <coir/use_await.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <coir/event.hpp>
#include <coir/task_group.hpp>
#include <coir/timeout.hpp>

#include "asio_fixture.hpp"

namespace coir::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

class BeastTest : public AsioTest {
 protected:
  BeastTest() : acceptor(context, {asio::ip::address_v4::loopback(), 0}, true) {}
  ~BeastTest() override { stop_asio(); }

  /// Answers with the target; "/slow" never.
  void serve(tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer;
    for (;;) {
      http::request<http::string_body> request;
      boost::system::error_code error;
      http::async_read(stream, buffer, request, use_await[error]);
      if (error) return;  // end_of_stream, or a client that was cancelled
      if (request.target() == "/slow") {
        asking_slowly.set();
        sleep(1h);
      }
      http::response<http::string_body> response(http::status::ok, request.version());
      response.body() = std::string(request.target());
      response.keep_alive(request.keep_alive());
      response.prepare_payload();
      http::async_write(stream, response, use_await);
    }
  }
  void accept() {
    task_group([&](TaskGroup& sessions) {
      for (;;) {
        tcp::socket socket = acceptor.async_accept(use_await);
        sessions.create_task([this, socket = std::make_shared<tcp::socket>(std::move(socket))] { serve(std::move(*socket)); });
      }
    });
  }
  std::string get(const std::string& target) {
    beast::tcp_stream stream(context);
    stream.async_connect(acceptor.local_endpoint(), use_await);
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, "localhost");
    http::async_write(stream, request, use_await);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::async_read(stream, buffer, response, use_await);
    return response.body();
  }
  template <class Fn>
  void with_server(Fn&& fn) {
    run([&] {
      auto server = create_task([&] { accept(); });
      fn();
      server.cancel();
      EXPECT_EQ(ending_of([&] { await(server); }), "CancelledError: ");
    });
  }

  tcp::acceptor acceptor;
  Event asking_slowly;
};
INSTANTIATE_TEST_SUITE_P(Asio, BeastTest, ::testing::ValuesIn(asio_places), name_of_place);

TEST_P(BeastTest, AThousandRequestsAtOnce) {
  with_server([&] {
    std::vector<Task<std::string>> answers;
    for (int i = 0; i < 1000; ++i) answers.push_back(create_task([&, i] { return get("/" + std::to_string(i)); }));
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(await(answers[static_cast<std::size_t>(i)]), "/" + std::to_string(i));
  });
}

TEST_P(BeastTest, ATimeoutInMidRead) {
  with_server([&] {
    EXPECT_THROW(timeout(20ms, [&] { get("/slow"); }), TimeoutError);
    EXPECT_EQ(get("/again"), "/again");
  });
}

TEST_P(BeastTest, ACancelInMidRead) {
  with_server([&] {
    auto task = create_task([&] { return get("/slow"); });
    asking_slowly.wait();
    sleep(1ms);
    task.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop");
    EXPECT_EQ(get("/again"), "/again");
  });
}

}  // namespace
}  // namespace coir::test
