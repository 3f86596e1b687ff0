// SPDX-License-Identifier: MIT
// The shapes that callback APIs come in, each as the library that has it, and the bridge as its user would write it.
#include "bridge_test.hpp"

#include <coir/stream.hpp>

#include <cstring>
#include <stdexcept>

namespace coir::test {
namespace {

class BridgeSketchesTest : public BridgeTest {};
COIR_FROM_BOTH_SIDES(BridgeSketchesTest);

// c-ares: may call back at once, user data first, borrowed arguments, no way to cancel one request.
struct hostent_like {
  const char* address;
};
using HostCallback = void (*)(void* arg, int status, int timeouts, hostent_like* host);

TEST_P(BridgeSketchesTest, OneShotThatMayCallAtOnceWithBorrowedArguments) {
  bool cached = true;
  const auto getaddr = [&](HostCallback callback, void* arg) {
    const auto answer = [callback, arg] {
      char buffer[16];
      std::strcpy(buffer, "::1");
      hostent_like host{buffer};
      callback(arg, 0, 0, &host);
      std::memset(buffer, '?', sizeof buffer);
    };
    cached ? here(answer) : later(answer);
  };
  const auto resolve = [&] {
    return from_callback<std::string>(
        [&](auto done) {
          auto cb = std::move(done).template c<void(void*, int, int, hostent_like*)>(
              [](auto& d, int st, int, hostent_like* h) {
                st ? d.fail(std::error_code(st, std::generic_category())) : d(h->address);
              });
          getaddr(cb.fn, cb.ud);
        },
        {.timeout = 5s, .name = "dns"});
  };
  run([&] {
    EXPECT_EQ(resolve(), "::1");
    cached = false;
    EXPECT_EQ(resolve(), "::1");
  });
}

// hiredis: the reply belongs to the library, a disconnect delivers null, two void* of which the last is the user data.
struct RedisContext {
  int error = 0;
};
using RedisCallback = void (*)(RedisContext*, void* reply, void* privdata);

TEST_P(BridgeSketchesTest, LibraryOwnedReplyAndNullOnDisconnect) {
  RedisContext context;
  bool connected = true;
  bool disconnects = false;
  const auto async_command = [&](RedisCallback callback, void* privdata) {
    if (!connected) return -1;
    later([&context, callback, privdata, disconnects] {
      std::string reply = "PONG, at some length: no small string";
      context.error = disconnects ? ECONNRESET : 0;
      callback(&context, disconnects ? nullptr : &reply, privdata);
    });
    return 0;
  };
  const auto redis = [&] {
    return from_callback<std::string>([&](auto done) {
      auto cb = std::move(done).template c<void(RedisContext*, void*, void*)>([](auto& d, RedisContext* c, void* r) {
        r ? d(*static_cast<std::string*>(r)) : d.fail(std::error_code(c->error, std::generic_category()));
      });
      if (async_command(cb.fn, cb.ud) != 0) throw std::runtime_error("closed");
    });
  };
  run([&] {
    EXPECT_EQ(redis(), "PONG, at some length: no small string");
    disconnects = true;
    EXPECT_THROW(redis(), std::system_error);
    connected = false;
    EXPECT_THROW(redis(), std::runtime_error);
    EXPECT_EQ(abandoned(), 0U);
  });
}

// NATS: messages that the receiver has to free, from any thread, until unsubscribed.
struct Msg {
  explicit Msg(int n) : number(n) { ++alive; }
  ~Msg() { --alive; }
  const int number;
  static inline std::atomic<int> alive{0};
};
using MsgHandler = void (*)(void* connection, void* subscription, Msg* msg, void* closure);

TEST_P(BridgeSketchesTest, ManyMessagesThatTheReceiverFrees) {
  MsgHandler handler = nullptr;
  void* closure = nullptr;
  run([&] {
    std::optional msgs = stream_from_callback<std::unique_ptr<Msg>>(
        [&](auto emit) {
          auto cb = std::move(emit).template c<void(void*, void*, Msg*, void*)>(
              [](auto& e, auto*, auto*, Msg* m) { m ? e(std::unique_ptr<Msg>(m)) : e.close(); });
          handler = cb.fn;
          closure = cb.ud;
          return [] { return Cancel::refused; };
        },
        {.capacity = 4, .overflow = drop_oldest});
    later([&] {
      for (int i = 0; i < 6; ++i) handler(nullptr, nullptr, new Msg(i), closure);
    });
    wait_for_threads();
    while (auto m = msgs->next()) {
      trace(std::to_string((*m)->number));
      if ((*m)->number == 5) break;
    }
    msgs.reset();
    here([&] { handler(nullptr, nullptr, new Msg(6), closure); });
    EXPECT_EQ(Msg::alive, 0);
    EXPECT_EQ(abandoned(), 1U);
    here([&] { handler(nullptr, nullptr, nullptr, closure); });  // the connection is closed: nothing comes any more
    EXPECT_EQ(abandoned(), 0U);
  });
  EXPECT_EQ(events, (Trace{"2", "3", "4", "5"}));
  EXPECT_EQ(late(), 1U);
}

// gRPC's callback API: std::function, a context with TryCancel(), and OnDone that always comes.
struct Rpc {
  explicit Rpc(std::string asked) : request(std::move(asked)) {}
  std::string request;
  std::string reply;
  std::function<void(int)> on_done;
  void try_cancel() { std::exchange(on_done, {})(ECANCELED); }
};

TEST_P(BridgeSketchesTest, PointersThatTheLibraryHoldsAndACancelThatStillCallsBack) {
  Rpc* started = nullptr;
  const auto quote = [&](BridgeOptions options) {
    return from_callback<std::string>(
        [&](auto done) {
          auto& op = done.template keep<Rpc>("quote");
          started = &op;
          op.on_done = [&op, d = std::move(done).shared()](int status) {
            status == 0 ? (*d)(std::move(op.reply)) : d->fail(std::error_code(status, std::generic_category()));
          };
          return [this, &op] {
            later([&op] { op.try_cancel(); });
            return Cancel::will_fire;
          };
        },
        options);
  };
  run([&] {
    auto answered = create_task([&] { return quote({}); });
    sleep(0s);
    later([&] {
      started->reply = started->request + ": 42";
      std::exchange(started->on_done, {})(0);
    });
    EXPECT_EQ(await(answered), "quote: 42");
    EXPECT_THROW(quote({.timeout = 200ms}), TimeoutError);
    EXPECT_EQ(elapsed_ms(), 200);
    wait_for_threads();
  });
}

// A vendor's SDK: calls back never, or twice, or after shutdown.
TEST_P(BridgeSketchesTest, AnSdkThatMayNeverCallBackOrTwice) {
  struct Img {
    int pixels;
  };
  using Captured = void (*)(Img*, void*);
  Captured captured = nullptr;
  void* user = nullptr;
  int resets = 0;
  const auto grab = [&] {
    try {
      return from_callback<int>(
          [&](auto done) {
            auto cb = std::move(done).template c<void(Img*, void*)>([](auto& d, Img* i) { d(i->pixels); });
            captured = cb.fn;
            user = cb.ud;
          },
          {.timeout = 2s, .name = "cam"});
    } catch (const coir::TimeoutError&) {
      ++resets;
      throw;
    }
  };
  const auto fire = [&] {
    Img image{7};
    captured(&image, user);
  };
  run([&] {
    EXPECT_THROW(grab(), TimeoutError);
    here([&] { fire(); });  // late
    auto grabbing = create_task(grab);
    sleep(1s);
    here([&] {
      fire();
      fire();
    });
    EXPECT_EQ(await(grabbing), 7);
    here([&] { fire(); });
  });
  EXPECT_EQ(resets, 1);
  EXPECT_EQ(late(), 1U);
  EXPECT_EQ(twice(), 2U);
}

}  // namespace
}  // namespace coir::test
