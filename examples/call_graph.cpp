// SPDX-License-Identifier: MIT
// Which functions a waiting task is in, and who waits for it.
#include <coir/coir.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace shop {

std::string read_reply(const coir::Future<std::string>& reply) {
  return coir::await(reply) + "\n";  // the only line here that knows of tasks
}

std::string price_of(const coir::Future<std::string>& reply) {
  const std::string line = read_reply(reply);
  return line.substr(0, line.size() - 1);
}

std::string all_prices(const std::vector<coir::Future<std::string>>& replies) {
  std::vector<coir::Task<std::string>> tasks;
  for (const auto& reply : replies) tasks.push_back(coir::create_task([&reply] { return price_of(reply); }));
  std::string text;
  for (const std::string& price : coir::await(coir::gather(tasks))) text += price + " ";
  return text;
}

}  // namespace shop

void show(const coir::FutureCallGraph& graph, int level) {
  std::printf("%*s%s\n", 2 * level, "", graph.future.describe().c_str());
  for (const auto& entry : graph.call_stack) {
    std::printf("%*s  in %s\n", 2 * level, "", entry.frame.function.c_str());  // entry.frame.file, line: with -g
  }
  for (const coir::FutureCallGraph& awaiting : graph.awaited_by) show(awaiting, level + 1);
}

int main() {
  coir::run([] {
    std::vector<coir::Future<std::string>> replies;
    for (int i = 0; i < 2; ++i) replies.push_back(coir::get_running_loop().create_future<std::string>());
    auto prices = coir::create_task([&] { return shop::all_prices(replies); }, coir::TaskOptions{.name = "prices"});
    while (!prices.waiting_on()) coir::sleep(std::chrono::seconds(0));
    coir::sleep(std::chrono::seconds(0));

    std::printf("Who waits for the first reply?\n");
    show(coir::capture_call_graph(replies[0]), 0);

    replies[0].set_result("3.50");
    replies[1].set_result("12.00");
    std::printf("%s\n", coir::await(prices).c_str());
  });
}
