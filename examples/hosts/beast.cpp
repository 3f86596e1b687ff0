// SPDX-License-Identifier: MIT
// An HTTP server and its clients with Boost.Beast, in plain functions: coir::use_await in the place of handlers.
#include <coir/coir.hpp>
#include <coir/hosts/asio.hpp>
#include <coir/use_await.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using coir::use_await;

/// One connection: request after request, until the client has gone.
void serve(tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  for (;;) {
    http::request<http::string_body> request;
    boost::system::error_code error;
    http::async_read(stream, buffer, request, use_await[error]);  // stored, not thrown: to be closed is no failure
    if (error) return;
    if (request.target() == "/slow") coir::sleep(1h);
    http::response<http::string_body> response(http::status::ok, request.version());
    response.body() = "hello from " + std::string(request.target());
    response.prepare_payload();
    http::async_write(stream, response, use_await);
  }
}

void accept(tcp::acceptor& acceptor) {
  coir::task_group([&](coir::TaskGroup& connections) {
    for (;;) {
      auto socket = std::make_shared<tcp::socket>(acceptor.async_accept(use_await));
      connections.create_task([socket] { serve(std::move(*socket)); });
    }
  });
}

std::string get(asio::io_context& context, const tcp::endpoint& server, const std::string& target) {
  beast::tcp_stream stream(context);
  stream.async_connect(server, use_await);
  http::request<http::empty_body> request(http::verb::get, target, 11);
  request.set(http::field::host, "localhost");
  http::async_write(stream, request, use_await);
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  http::async_read(stream, buffer, response, use_await);
  return response.body();
}

int main() {
  asio::io_context context;
  coir::EventLoop loop;
  coir::hosts::Asio host(loop, context);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});

  auto program = loop.create_task([&] {
    auto server = coir::create_task([&] { accept(acceptor); });
    const tcp::endpoint address = acceptor.local_endpoint();
    std::vector<coir::Task<std::string>> answers;
    for (int i = 1; i <= 3; ++i) {
      answers.push_back(coir::create_task([&, i] { return get(context, address, "/" + std::to_string(i)); }));
    }
    for (const auto& answer : answers) std::printf("%s\n", coir::await(answer).c_str());
    try {
      coir::timeout(20ms, [&] { get(context, address, "/slow"); });  // ends a read that is under way
    } catch (const coir::TimeoutError&) {
      std::printf("too slow\n");
    }
    server.cancel();
    coir::try_await(server);
    std::printf("closed\n");
  });
  context.run();
  program.result();
}
