// What passing a message between two tasks costs over the least queue that futures can make.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <deque>
#include <optional>

#include "raw_switch.hpp"

namespace {

/// Unbounded, one getter: what every queue has at its core.
class Mailbox {
 public:
  void put(int message) {
    messages_.push_back(message);
    if (getter_ && !getter_.done()) getter_.set_result();
  }
  int get() {
    while (messages_.empty()) {
      getter_ = coir::get_running_loop().create_future<void>();
      await(getter_);
    }
    const int message = messages_.front();
    messages_.pop_front();
    return message;
  }

 private:
  std::deque<int> messages_;
  coir::Future<void> getter_;
};

/// An iteration is a request and its answer: two messages.
void ping_pong(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  coir::run([&] {
    Mailbox requests;
    Mailbox answers;
    auto server = coir::create_task([&] {
      while (const int request = requests.get()) answers.put(request);
    });
    for (auto _ : state) {
      requests.put(1);
      benchmark::DoNotOptimize(answers.get());
    }
    requests.put(0);
    await(server);
  });
}

/// The sender puts 100 messages before it lets the receiver run.
void stream(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 100);
  coir::run([&] {
    Mailbox box;
    auto receiver = coir::create_task([&] {
      while (box.get() != 0) {
      }
    });
    for (auto _ : state) {
      for (int i = 0; i < 100; ++i) box.put(1);
      coir::sleep(std::chrono::seconds(0));
    }
    box.put(0);
    await(receiver);
  });
}

BENCHMARK(ping_pong);
BENCHMARK(stream);

}  // namespace
