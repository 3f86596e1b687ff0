// SPDX-License-Identifier: MIT
// gRPC: calls side by side, a deadline, a call that is cancelled, and a server that goes away.
#include "grpc.hpp"
#include "server.hpp"

#include "quotes.grpc.pb.h"

#include <atomic>
#include <cstdio>

using namespace std::chrono_literals;

/// Answers "slow" when the call is cancelled, which it counts, and everything else at once.
class Service final : public quotes::Quotes::CallbackService {
 public:
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const quotes::Request* request,
                                quotes::Quote* quote) override {
    if (request->symbol() == "slow") return new Slow(*this);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    quote->set_price(static_cast<std::int64_t>(request->symbol().size()));
    reactor->Finish(request->symbol().empty() ? grpc::Status(grpc::INVALID_ARGUMENT, "no symbol") : grpc::Status::OK);
    return reactor;
  }
  std::atomic<int> waiting = 0;
  std::atomic<int> cancelled = 0;

 private:
  struct Slow final : grpc::ServerUnaryReactor {
    explicit Slow(Service& owner) : service(owner) { ++service.waiting; }
    void OnCancel() override {
      ++service.cancelled;
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }
    Service& service;
  };
};

std::int64_t price_of(const std::string& symbol, quotes::Quotes::Stub& stub, coir::Duration timeout = 5s) {
  quotes::Request request;
  request.set_symbol(symbol);
  return call<quotes::Quote>("Get", std::move(request), timeout, [&](auto&&... op) { stub.async()->Get(op...); })
      .price();
}

int main() {
  coir::run([] {
    Service service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr) clients::skip("gRPC cannot listen on 127.0.0.1");
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
    // Some versions of gRPC abort now and then when the last channel goes and the threads of its callbacks with it
    // (grpc's CallbackAlternativeCQ; couchbase/couchbase-cxx-client#1060): one channel stays until the program ends.
    static const auto* const last_channel = new auto(channel);
    const auto stub = quotes::Quotes::NewStub(*last_channel);
    const auto price = [&](const std::string& symbol) {
      return coir::create_task([&, symbol] { return price_of(symbol, *stub); });
    };
    const auto slow_call = [&] {  // that has reached the server
      const int before = service.waiting;
      auto call = price("slow");
      while (service.waiting == before) coir::sleep(1ms);
      return call;
    };

    const auto [a, b] = coir::await(coir::gather(price("ACME"), price("INITECH")));
    std::printf("ACME is %d, INITECH is %d\n", int(a), int(b));
    try {
      price_of("", *stub);
    } catch (const RpcError& error) {
      std::printf("error %d: %s\n", error.code, error.what());
    }

    try {
      price_of("slow", *stub, 50ms);
    } catch (const coir::TimeoutError&) {
      std::printf("no price in time\n");
    }

    auto slow = slow_call();
    slow.cancel();
    const bool waits = coir::pending_bridges().front().state == coir::PendingBridge::State::stopping;
    std::printf("asked to cancel, and %s for OnDone\n", waits ? "waits" : "does not wait");
    coir::wait(std::vector{slow});
    std::printf("the task is %s\n", slow.cancelled() ? "cancelled" : "done");

    auto in_flight = slow_call();
    coir::to_thread([&] { server->Shutdown(std::chrono::system_clock::now()); });  // cancels what is under way
    try {
      coir::await(in_flight);
    } catch (const RpcError& error) {
      const bool named = error.code == grpc::UNAVAILABLE || error.code == grpc::CANCELLED;  // whichever comes first
      std::printf("killed: %s\n", named ? "unavailable, or cancelled by the server" : error.what());
    }
    try {
      price_of("ACME", *stub);
    } catch (const RpcError& error) {
      std::printf("afterwards: %s\n", error.code == grpc::UNAVAILABLE ? "unavailable" : error.what());
    }
    std::printf("%d calls are still open at the server\n", service.waiting - service.cancelled);
    std::printf("%zu callbacks are still owed\n", coir::pending_bridges().size());
  });
}
