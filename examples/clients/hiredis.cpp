// SPDX-License-Identifier: MIT
// Redis: a command, a thousand at once, a subscription, a command that is given up, and a server that goes away.
#include "hiredis.hpp"
#include "server.hpp"

#include <cstdio>

using namespace std::chrono_literals;

void show(clients::Server& server, const std::string& path) {
  Redis redis(path);
  redis.command("SET greeting %s", "hello");
  std::printf("greeting: %s\n", redis.command("GET greeting").text.c_str());
  try {
    redis.command("INCR greeting");
  } catch (const RedisError& error) {
    std::printf("%s\n", error.what());
  }

  std::vector<coir::Task<long long>> pipeline;
  for (int i = 0; i < 1000; ++i) pipeline.push_back(coir::create_task([&] { return redis.command("INCR n").number; }));
  std::printf("1000 tasks, the last got %lld\n", coir::await(coir::gather(pipeline)).back());

  Redis subscriber(path);
  {
    auto news = subscriber.subscribe("news");
    while (redis.command("PUBLISH news %s", "first").number == 0) coir::sleep(1ms);
    redis.command("PUBLISH news %s", "second");
    for (int i = 0; i < 2; ++i) std::printf("news: %s\n", news.next()->c_str());
  }  // unsubscribes, and waits until the server has said so
  std::printf("unsubscribed: %s\n", subscriber.command("PING").text.c_str());

  try {
    coir::timeout(20ms, [&] { redis.command("BLPOP queue 0.1"); });
  } catch (const coir::TimeoutError&) {
    std::printf("timed out, %zu reply is still owed\n", coir::pending_bridges().size());
  }
  std::printf("the next one: %s\n", redis.command("PING").text.c_str());

  auto news = subscriber.subscribe("news");
  std::vector<coir::Task<void>> waiting;
  for (int i = 0; i < 2; ++i) waiting.push_back(coir::create_task([&] { redis.command("BLPOP queue 0"); }));
  waiting.push_back(coir::create_task([&] { news.next(); }));
  coir::sleep(20ms);
  server.stop();
  waiting.push_back(coir::create_task([&] { coir::sleep(20ms), redis.command("PING"); }));
  for (const auto& task : waiting) {
    try {
      coir::await(task);
    } catch (const RedisError& error) {
      std::printf("killed: %s\n", error.what());
    }
  }
}

int main() {
  const clients::Leftovers leftovers;
  const std::string program =
      clients::find_program({"/usr/bin/redis-server", "/usr/local/bin/redis-server"}, "redis-server");
  const clients::TemporaryFolder folder;
  const std::string path = folder / "redis.sock";
  coir::run([&] {
    clients::Server server(folder, {program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"});
    server.wait_until([&] { return server.log().find("ready to accept connections") != std::string::npos; });
    show(server, path);
  });
}
