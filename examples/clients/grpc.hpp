// SPDX-License-Identifier: MIT
// gRPC by its callback API: a call is a plain function. gRPC's threads write into the reply until the callback has
// come, so the call's objects live until then, and a cancelled task waits for it.
#pragma once

#include <coir/coir.hpp>

#include <grpcpp/grpcpp.h>

#include <stdexcept>
#include <string>
#include <utility>

struct RpcError : std::runtime_error {
  explicit RpcError(const grpc::Status& status)
      : std::runtime_error(status.error_message()), code(status.error_code()) {}
  grpc::StatusCode code;
};

/// Makes one call and suspends until its reply is here.
///
///     Quote quote = call<Quote>("Get", request, 200ms, [&](auto&&... op) { stub.async()->Get(op...); });
///
/// Errors    RpcError; TimeoutError behind the deadline
/// Cancel    asks gRPC to cancel the call; CancelledError when its callback has come
template <class Reply, class Request, class Start>
Reply call(const char* name, Request request, coir::Duration timeout, Start start) {
  struct Operation {  // what gRPC is given pointers to
    Request request;
    Reply reply;
    grpc::ClientContext context;
  };
  return coir::from_callback<Reply>(
      [&](auto done) {
        auto& op = done.template keep<Operation>(std::move(request));
        start(&op.context, &op.request, &op.reply, [&op, done = std::move(done).shared()](const grpc::Status& status) {
          status.ok() ? (*done)(std::move(op.reply)) : done->fail(RpcError(status));
        });
        return [&op] {
          op.context.TryCancel();
          return coir::Cancel::will_fire;
        };
      },
      {.timeout = timeout, .name = name});
}
