// SPDX-License-Identifier: MIT
// coir::use_await with Asio's own objects: Asio as the host on the loop's thread, and Asio on a thread of its own.
#include <coir/use_await.hpp>

#include <boost/asio/as_tuple.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <coir/timeout.hpp>

#include "asio_fixture.hpp"

namespace coir::test {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::local::stream_protocol::socket;

class UseAwaitTest : public AsioTest {
 protected:
  UseAwaitTest() : near(context), far(context) { asio::local::connect_pair(near, far); }
  ~UseAwaitTest() override { stop_asio(); }

  Socket near;
  Socket far;
};
INSTANTIATE_TEST_SUITE_P(Asio, UseAwaitTest, ::testing::ValuesIn(asio_places), name_of_place);

TEST_P(UseAwaitTest, ReturnsWhatTheHandlerGets) {
  run([&] {
    asio::steady_timer timer(context, 1ms);
    static_assert(std::is_void_v<decltype(timer.async_wait(use_await))>);
    timer.async_wait(use_await);
    EXPECT_EQ(asio::async_write(far, asio::buffer("hello", 5), use_await), 5U);
    std::array<char, 5> buffer;
    EXPECT_EQ(asio::async_read(near, asio::buffer(buffer), use_await), 5U);
    EXPECT_EQ(std::string(buffer.data(), 5), "hello");
  });
}

/// A socket whose other end is closed. A new one for each read: Asio waits for ever behind the second end of file.
Socket at_its_end(asio::io_context& context) {
  Socket socket(context), other(context);
  asio::local::connect_pair(socket, other);
  return socket;
}

TEST_P(UseAwaitTest, AnErrorCodeIsThrownOrStoredOrPartOfATuple) {
  run([&] {
    char byte;
    const auto buffer = asio::buffer(&byte, 1);
    try {
      at_its_end(context).async_read_some(buffer, use_await);
      ADD_FAILURE() << "no error";
    } catch (const boost::system::system_error& error) {
      EXPECT_EQ(error.code(), asio::error::eof);
    }
    error_code code;
    EXPECT_EQ(at_its_end(context).async_read_some(buffer, use_await[code]), 0U);
    EXPECT_EQ(code, asio::error::eof);
    code = {};
    at_its_end(context).async_read_some(buffer, asio::redirect_error(use_await, code));
    EXPECT_EQ(code, asio::error::eof);
    auto [stored, count] = at_its_end(context).async_read_some(buffer, asio::as_tuple(use_await));
    EXPECT_EQ(stored, asio::error::eof);
    EXPECT_EQ(count, 0U);
  });
}

TEST_P(UseAwaitTest, AsADefaultItNeedNotBeWritten) {
  run([&] {
    auto socket = use_await_t::as_default_on(std::move(near));
    asio::write(far, asio::buffer("x", 1));
    char byte = 0;
    EXPECT_EQ(socket.async_read_some(asio::buffer(&byte, 1)), 1U);
    EXPECT_EQ(byte, 'x');
    use_await_t::as_default_on_t<asio::steady_timer> timer(context, 1ms);
    timer.async_wait();
  });
}

/// An operation of the user's own: calls back at once, or from the context.
template <class Signature, class... Values>
auto own_operation(asio::io_context& context, bool at_once, Values... values) {
  return asio::async_initiate<const use_await_t, Signature>(
      [&context, at_once](auto handler, Values... results) {
        if (at_once) return handler(std::move(results)...);
        asio::post(context, [handler = std::move(handler), ... results = std::move(results)]() mutable {
          handler(std::move(results)...);
        });
      },
      use_await, std::move(values)...);
}

TEST_P(UseAwaitTest, EveryKindOfSignatureAtOnceAndLater) {
  run([&] {
    for (const bool at_once : {true, false}) {
      own_operation<void()>(context, at_once);
      EXPECT_EQ(own_operation<void(int)>(context, at_once, 7), 7);
      EXPECT_EQ((own_operation<void(int, std::string)>(context, at_once, 7, std::string("x"))),
                std::make_tuple(7, std::string("x")));
      EXPECT_EQ((own_operation<void(error_code, int, int)>(context, at_once, error_code(), 7, 8)), std::make_tuple(7, 8));
      EXPECT_EQ((own_operation<void(std::exception_ptr, int)>(context, at_once, std::exception_ptr(), 7)), 7);
      EXPECT_EQ(*own_operation<void(std::unique_ptr<int>)>(context, at_once, std::make_unique<int>(9)), 9);
      EXPECT_EQ(ending_of([&] {
                  own_operation<void(std::exception_ptr)>(context, at_once,
                                                          std::make_exception_ptr(std::runtime_error("own")));
                }),
                "std::runtime_error: own");
    }
  });
}

TEST_P(UseAwaitTest, ACancelInMidReadWaitsForTheHandlerAndTheSocketStaysUsable) {
  run([&] {
    auto reader = create_task([&] {
      std::array<char, 64> buffer;  // gone with the task's stack: the sanitizer watches
      asio::async_read(near, asio::buffer(buffer), use_await);
    });
    asio::async_write(far, asio::buffer("part", 4), use_await);
    sleep(2ms);
    reader.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(reader); }), "CancelledError: stop");
    asio::async_write(far, asio::buffer("more", 4), use_await);
    std::array<char, 4> buffer;
    EXPECT_EQ(asio::async_read(near, asio::buffer(buffer), use_await), 4U);
    EXPECT_EQ(std::string(buffer.data(), 4), "more");
  });
}

TEST_P(UseAwaitTest, ATimeoutInMidReadIsATimeoutError) {
  run([&] {
    std::array<char, 64> buffer;
    EXPECT_THROW(timeout(2ms, [&] { asio::async_read(near, asio::buffer(buffer), use_await); }), TimeoutError);
    EXPECT_EQ(asio::async_write(far, asio::buffer("x", 1), use_await), 1U);
    EXPECT_EQ(near.async_read_some(asio::buffer(buffer), use_await), 1U);
  });
}

TEST_P(UseAwaitTest, AnOperationThatSucceedsAllTheSameReturnsAndTheNextAwaitIsCancelled) {
  run([&] {
    int got = 0;
    auto task = create_task([&] {
      got = asio::async_initiate<const use_await_t, void(error_code, int)>(
          [&](auto handler) {  // looks at no slot
            auto timer = std::make_shared<asio::steady_timer>(context, 5ms);
            timer->async_wait([timer, handler = std::move(handler)](error_code) mutable { handler({}, 7); });
          },
          use_await);
      EXPECT_EQ(current_task().cancelling(), 1);
      sleep(1h);
    });
    sleep(0s);
    task.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop");
    EXPECT_EQ(got, 7);
  });
}

TEST_P(UseAwaitTest, TheKindOfCancellationCanBeChosen) {
  run([&] {
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::total}) {
      std::atomic<asio::cancellation_type> seen{asio::cancellation_type::none};
      auto task = create_task([&] {
        asio::async_initiate<const use_await_t, void(error_code)>(
            [&](auto handler) {
              auto slot = asio::get_associated_cancellation_slot(handler);
              auto shared = std::make_shared<decltype(handler)>(std::move(handler));
              slot.assign([&seen, shared, slot, this](asio::cancellation_type asked) {
                seen = asked;
                asio::post(context, [shared, slot]() mutable {
                  slot.clear();  // as an operation has to: the handler owns the signal
                  (*shared)(asio::error::operation_aborted);
                });
              });
            },
            use_await.cancel_type(type));
      });
      sleep(0s);
      task.cancel();
      EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: ");
      EXPECT_EQ(seen.load(), type);
    }
  });
}

TEST_P(UseAwaitTest, AHandlerThatIsDestroyedUncalledIsABrokenCallback) {
  run([&] {
    const auto lose = [&] { asio::async_initiate<const use_await_t, void()>([](auto) {}, use_await); };
    EXPECT_THROW(lose(), BrokenCallback);
  });
}

TEST_P(UseAwaitTest, OutsideOfATaskItIsAUsageError) {
  asio::steady_timer timer(context, 1ms);
  EXPECT_THROW(timer.async_wait(use_await), UsageError);
  run([] {});
}

TEST_P(UseAwaitTest, ManyTasksReadAndWriteAtOnce) {
  run([&] {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 200; ++i) {
      tasks.push_back(create_task([&] {
        Socket a(context), b(context);
        asio::local::connect_pair(a, b);
        auto writer = create_task([&] {
          for (char c = 'a'; c <= 'z'; ++c) asio::async_write(a, asio::buffer(&c, 1), use_await);
          a.close();
        });
        std::string text;
        error_code error;
        for (char c; b.async_read_some(asio::buffer(&c, 1), use_await[error]) == 1;) text += c;
        EXPECT_EQ(text, "abcdefghijklmnopqrstuvwxyz");
        EXPECT_EQ(error, asio::error::eof);
        await(writer);
      }));
    }
    for (const auto& task : tasks) await(task);
  });
}

}  // namespace
}  // namespace coir::test
