// SPDX-License-Identifier: MIT
// Redis by hiredis' asynchronous API: four hooks make the loop its event library, a command is a plain function, and a
// thousand tasks share one connection.
#pragma once

#include <coir/coir.hpp>

#include <hiredis/async.h>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct RedisError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// A redisReply of our own: hiredis frees its one when the callback returns.
struct Reply {
  explicit Reply(const redisReply& reply) : number(reply.integer), is_error(reply.type == REDIS_REPLY_ERROR) {
    if (reply.str != nullptr) text.assign(reply.str, reply.len);
    for (std::size_t i = 0; i < reply.elements; ++i) elements.emplace_back(*reply.element[i]);
  }
  std::string text;
  long long number;
  bool is_error;
  std::vector<Reply> elements;
};

/// hiredis' hooks, over the loop's readers and writers. It calls them again and again, also when nothing changes.
class Watcher {
 public:
  static void attach(redisAsyncContext& context) {
    auto* watcher = new Watcher(context);
    context.ev.data = watcher;
    context.ev.addRead = [](void* w) { static_cast<Watcher*>(w)->read(true); };
    context.ev.delRead = [](void* w) { static_cast<Watcher*>(w)->read(false); };
    context.ev.addWrite = [](void* w) { static_cast<Watcher*>(w)->write(true); };
    context.ev.delWrite = [](void* w) { static_cast<Watcher*>(w)->write(false); };
    context.ev.cleanup = [](void* w) { delete static_cast<Watcher*>(w); };  // before it closes the socket
  }

 private:
  explicit Watcher(redisAsyncContext& context) : context_(context), fd_(context.c.fd) {}
  ~Watcher() { read(false), write(false); }
  void read(bool on) {
    if (std::exchange(reads_, on) == on) return;
    on ? loop_.add_reader(fd_, [this] { redisAsyncHandleRead(&context_); }) : void(loop_.remove_reader(fd_));
  }
  void write(bool on) {
    if (std::exchange(writes_, on) == on) return;
    on ? loop_.add_writer(fd_, [this] { redisAsyncHandleWrite(&context_); }) : void(loop_.remove_writer(fd_));
  }
  coir::EventLoop& loop_ = coir::get_running_loop();
  redisAsyncContext& context_;
  const int fd_;
  bool reads_ = false;
  bool writes_ = false;
};

/// One connection, for any number of tasks. hiredis frees its context when the connection ends, so this only borrows
/// it.
class Redis {
 public:
  explicit Redis(const std::string& path) : context_(redisAsyncConnectUnix(path.c_str())) {
    if (context_ == nullptr) throw std::bad_alloc();
    if (context_->err != 0) {
      const RedisError error(context_->errstr);
      redisAsyncFree(context_);
      throw error;
    }
    context_->data = this;
    Watcher::attach(*context_);
    redisAsyncSetDisconnectCallback(
        context_, [](const redisAsyncContext* c, int) { static_cast<Redis*>(c->data)->context_ = nullptr; });
  }
  /// Ends every wait with an error: the commands that are under way, and the streams.
  ~Redis() {
    if (context_ != nullptr) redisAsyncFree(context_);
  }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  /// Suspends until the reply is here. Redis cannot take a command back: a cancelled wait ends at once, and the reply
  /// is dropped when it comes.
  template <class... Words>
  Reply command(const char* format, Words... words) {
    const Reply reply = coir::from_callback<Reply>(
        [&](auto completion) {
          auto cb = std::move(completion).template c<redisCallbackFn>([](auto& done, redisAsyncContext* c, void* data) {
            data != nullptr ? done(Reply(*static_cast<redisReply*>(data))) : done.fail(RedisError(c->errstr));
          });
          start(cb, format, words...);
        },
        {.name = format});
    if (reply.is_error) throw RedisError(reply.text);
    return reply;
  }

  /// The messages of a channel. The connection can do nothing else meanwhile.
  coir::Stream<std::string> subscribe(const std::string& channel) {
    return coir::stream_from_callback<std::string>(
        [&](auto emitter) {
          auto cb = std::move(emitter).template c<redisCallbackFn>([](auto& emit, redisAsyncContext* c, void* data) {
            if (data == nullptr) return void(emit.fail(RedisError(c->errstr)));
            const Reply reply(*static_cast<redisReply*>(data));
            if (reply.elements[0].text == "message") emit(reply.elements[2].text);
            if (reply.elements[0].text == "unsubscribe") emit.close();
          });
          start(cb, "SUBSCRIBE %s", channel.c_str());
          return [this, channel] {
            if (context_ == nullptr) return coir::Cancel::stopped;
            start(decltype(cb){nullptr, nullptr}, "UNSUBSCRIBE %s", channel.c_str());
            return coir::Cancel::will_fire;
          };
        },
        {.name = "SUBSCRIBE"});
  }

 private:
  template <class Callback, class... Words>
  void start(Callback cb, const char* format, Words... words) {
    if (context_ == nullptr) throw RedisError("not connected");
    if (redisAsyncCommand(context_, cb.fn, cb.ud, format, words...) != REDIS_OK) throw RedisError("not connected");
  }
  redisAsyncContext* context_;  // null: the connection has ended
};
