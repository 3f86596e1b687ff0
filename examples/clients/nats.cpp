// SPDX-License-Identifier: MIT
// NATS: a subscription, one that is too slow, requests, and a server that goes away.
#include "nats.hpp"
#include "server.hpp"

#include <cstdio>

using namespace std::chrono_literals;

void show(clients::Server& server, const std::string& url) {
  Nats nats(url);
  {
    auto news = nats.subscribe("news.*", {.name = "news"});
    nats.publish("news.one", "first");
    nats.publish("news.two", "second");
    for (int i = 0; i < 2; ++i) {
      const auto message = news.next();
      std::printf("%s: %s\n", message->subject.c_str(), message->data.c_str());
    }
  }  // unsubscribes, and waits until the library's thread has let go

  auto slow = nats.subscribe("ticks", {.capacity = 3, .overflow = coir::drop_oldest, .name = "ticks"});
  for (int i = 1; i <= 10; ++i) nats.publish("ticks", std::to_string(i));
  while (slow.dropped() < 7) coir::sleep(1ms);
  std::printf("%d of 10 dropped, the first that is left is %s\n", int(slow.dropped()), slow.next()->data.c_str());
  slow.close();

  auto strict = nats.subscribe("ticks", {.capacity = 3, .name = "ticks"});
  for (int i = 1; i <= 4; ++i) nats.publish("ticks", std::to_string(i));
  while (strict.dropped() < 1) coir::sleep(1ms);
  try {
    while (const auto tick = strict.next()) std::printf("tick %s\n", tick->data.c_str());
  } catch (const coir::StreamOverflow&) {
    std::printf("the next one found no room\n");
  }
  strict.close();

  auto service = coir::create_task([&] {
    auto requests = nats.subscribe("double", {.name = "service"});
    while (const auto request = requests.next()) nats.publish(request->reply_to, request->data + request->data);
  });
  auto deaf = nats.subscribe("deaf", {.name = "deaf"});
  coir::sleep(0ms);  // the service subscribes
  std::printf("request: %s\n", nats.request("double", "ha", 5s).c_str());
  try {
    nats.request("nobody", "?", 5s);
  } catch (const NatsError& error) {
    std::printf("request: %s\n", error.what());
  }
  try {
    nats.request("deaf", "?", 20ms);
  } catch (const coir::TimeoutError&) {
    std::printf("request: no reply in time\n");
  }

  auto request = coir::create_task([&] { nats.request("deaf", "?", 1min); });
  coir::sleep(20ms);
  server.stop();
  for (const auto& task : {service, request}) {
    try {
      coir::await(task);
    } catch (const NatsError& error) {
      std::printf("killed: %s\n", error.what());
    }
  }
  try {
    Nats again(url);
  } catch (const NatsError& error) {
    std::printf("connect: %s\n", error.what());
  }
}

/// The server chooses its port and writes it to a file: {"nats":["nats://127.0.0.1:40123"]}
std::string url_in(const std::string& ports) {
  const auto begin = ports.find("nats://");
  const auto end = ports.find('"', begin == std::string::npos ? 0 : begin);
  return begin == std::string::npos || end == std::string::npos ? "" : ports.substr(begin, end - begin);
}

int main() {
  nats_Open(-1);  // its threads and what they keep are there from here on
  const std::string program = clients::find_program(
      {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"}, "nats-server");
  {
    const clients::Leftovers leftovers;
    const clients::TemporaryFolder folder;
    coir::run([&] {
      clients::Server server(folder, {program, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", folder.path()});
      std::string url;
      server.wait_until(
          [&] { return !(url = url_in(clients::read_file(clients::find_file(folder / "*.ports")))).empty(); });
      show(server, url);
    });
  }
  nats_CloseAndWait(5000);
}
