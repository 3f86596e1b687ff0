// SPDX-License-Identifier: MIT
// NATS by its C client, which calls back on threads of its own: a subscription is a stream, and a request is a
// subscription to the inbox that the reply is sent to. Nothing blocks the loop.
#pragma once

#include <coir/coir.hpp>

#include <nats/nats.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

struct NatsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void check(natsStatus status) {
  if (status != NATS_OK) throw NatsError(natsStatus_GetText(status));
}

/// The library's message belongs to the callback: copied.
struct Message {
  std::string subject;
  std::string reply_to;
  std::string data;
  bool no_responders = false;
};

using Subscription = std::unique_ptr<natsSubscription, decltype(&natsSubscription_Destroy)>;

/// One connection, for any number of tasks.
class Nats {
 public:
  /// Suspends: natsConnection_Connect() blocks.
  explicit Nats(const std::string& url) : connection_(nullptr, &natsConnection_Destroy) {
    connection_ = coir::to_thread([url] {
      natsOptions* made = nullptr;
      check(natsOptions_Create(&made));
      const std::unique_ptr<natsOptions, decltype(&natsOptions_Destroy)> options(made, &natsOptions_Destroy);
      check(natsOptions_SetURL(made, url.c_str()));
      check(natsOptions_SetAllowReconnect(made, false));  // so that the end of the server is an error at once
      natsConnection* connection = nullptr;
      check(natsConnection_Connect(&connection, made));
      return Connection(connection, &natsConnection_Destroy);
    });
  }

  /// Writes to a buffer that a thread of the library sends; does not suspend.
  void publish(const std::string& subject, const std::string& data, const std::string& reply_to = "") {
    const int size = static_cast<int>(data.size());
    if (reply_to.empty()) {
      check(natsConnection_Publish(connection_.get(), subject.c_str(), data.data(), size));
    } else {
      check(natsConnection_PublishRequest(connection_.get(), subject.c_str(), reply_to.c_str(), data.data(), size));
    }
  }

  /// The messages to a subject. The stream fails when the connection ends.
  ///
  /// Two callbacks share the emitter, so it is in a box: the second is the last that the library makes, and frees it.
  coir::Stream<Message> subscribe(const std::string& subject, coir::StreamOptions options = {}) {
    return coir::stream_from_callback<Message>(
        [&](auto emit) {
          using Emitter = decltype(emit);
          struct Box {
            Emitter emit;
            natsConnection* connection;
          };
          auto box = std::make_unique<Box>(Box{std::move(emit), connection_.get()});
          natsSubscription* made = nullptr;
          check(natsConnection_Subscribe(
              &made, connection_.get(), subject.c_str(),
              [](natsConnection*, natsSubscription*, natsMsg* msg, void* closure) {
                const std::unique_ptr<natsMsg, decltype(&natsMsg_Destroy)> message(msg, &natsMsg_Destroy);
                static_cast<Box*>(closure)->emit(copy(msg));
              },
              box.get()));
          Subscription subscription(made, &natsSubscription_Destroy);
          check(natsSubscription_SetOnCompleteCB(
              made,
              [](void* closure) {
                const std::unique_ptr<Box> last(static_cast<Box*>(closure));
                if (natsConnection_IsClosed(last->connection)) last->emit.fail(NatsError("the connection has ended"));
              },
              box.get()));
          box.release();
          return [subscription = std::move(subscription)] {
            natsSubscription_Unsubscribe(subscription.get());
            return coir::Cancel::will_fire;  // the second callback
          };
        },
        std::move(options));
  }

  /// Suspends until the reply is here. Errors: NatsError if nobody answers to the subject; TimeoutError
  std::string request(const std::string& subject, const std::string& data, coir::Duration timeout) {
    natsInbox* made = nullptr;
    check(natsInbox_Create(&made));
    const std::unique_ptr<natsInbox, decltype(&natsInbox_Destroy)> inbox(made, &natsInbox_Destroy);
    auto replies = subscribe(made, {.name = "request"});
    publish(subject, data, made);
    const auto reply = coir::timeout(timeout, [&] { return replies.next(); });
    if (!reply || reply->no_responders) throw NatsError("nobody answers to " + subject);
    return reply->data;
  }

 private:
  using Connection = std::unique_ptr<natsConnection, decltype(&natsConnection_Destroy)>;
  static Message copy(natsMsg* msg) {
    const char* reply_to = natsMsg_GetReply(msg);
    return {natsMsg_GetSubject(msg), reply_to != nullptr ? reply_to : "",
            std::string(natsMsg_GetData(msg), static_cast<std::size_t>(natsMsg_GetDataLength(msg))),
            natsMsg_IsNoResponders(msg)};
  }
  Connection connection_;
};
