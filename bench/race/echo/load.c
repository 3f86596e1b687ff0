// SPDX-License-Identifier: MIT
// The load of the echo workloads: N connections to 127.0.0.1, each with one request of 64 bytes in flight.
//
//     load PORT CONNECTIONS SECONDS      prints: requests rps p50_us p99_us
//
// Runs on CPU 1 if there is one, so that the server under test has CPU 0. All connections are up, and the server has
// had time to accept them, before the first request; the first fifth of the time warms up and is not in the figures.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { message_bytes = 64, max_connections = 10000, batch = 256 };

// Latencies are counted in bins of 100 ns up to 100 ms, so that no percentile is capped at what we meet here.
enum { bins = 1000 * 1000, bin_ns = 100 };
static uint32_t histogram[bins];

typedef struct {
  int fd;
  int received;
  uint64_t sent_at;
} Connection;

static Connection connections[max_connections];

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void send_request(Connection* connection) {
  static const char message[message_bytes] = "race";
  connection->received = 0;
  connection->sent_at = now_ns();
  // 64 bytes always fit: the buffer is empty, because the last request has been answered.
  if (send(connection->fd, message, message_bytes, MSG_NOSIGNAL) != message_bytes) fail("load: send");
}

// What one wake-up brings. True if the answer is complete.
static int receive(Connection* connection) {
  char buffer[message_bytes];
  const ssize_t got = recv(connection->fd, buffer, (size_t)(message_bytes - connection->received), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) fail(got == 0 ? "load: the server closed a connection" : "load: recv");
  connection->received += (int)got;
  return connection->received == message_bytes;
}

static double percentile_us(uint64_t requests, double share) {
  const double wanted = (double)requests * share;
  uint64_t seen = 0;
  for (int bin = 0; bin < bins; ++bin) {
    seen += histogram[bin];
    if ((double)seen >= wanted) return (bin + 0.5) * bin_ns / 1000;
  }
  return (double)bins * bin_ns / 1000;
}

static void connect_all(int poller, int port, int count) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < count; ++i) {
    Connection* connection = &connections[i];
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) fail("load: socket");
    if (connect(connection->fd, (struct sockaddr*)&address, sizeof address) != 0) fail("load: connect");
    const int on = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) != 0) fail("load: epoll_ctl");
  }
  // A thousand connections take asyncio's streams 0.1 s.
  const uint64_t pause = 20000000u + (uint64_t)count * 200000u;
  const struct timespec time = {.tv_sec = (time_t)(pause / 1000000000u), .tv_nsec = (long)(pause % 1000000000u)};
  nanosleep(&time, NULL);
}

int main(int argc, char** argv) {
  const int port = argc == 4 ? atoi(argv[1]) : 0;
  const int count = argc == 4 ? atoi(argv[2]) : 0;
  const double seconds = argc == 4 ? atof(argv[3]) : 0;
  if (port <= 0 || port > 65535 || count <= 0 || count > max_connections || !(seconds > 0) || seconds > 60) {
    fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS\n");
    return 2;
  }
  alarm((unsigned)seconds + 20);  // whatever the server does, this process ends

  cpu_set_t other;
  CPU_ZERO(&other);
  CPU_SET(1, &other);
  sched_setaffinity(0, sizeof other, &other);  // fails where there is one CPU: then they share it

  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("load: epoll_create1");
  connect_all(poller, port, count);

  const uint64_t began = now_ns();
  const uint64_t warm = began + (uint64_t)(seconds * 0.2e9);
  const uint64_t end = began + (uint64_t)(seconds * 1e9);
  for (int i = 0; i < count; ++i) send_request(&connections[i]);

  // Every connection goes on until `end` and then waits for the answer that is under way: no request is lost.
  uint64_t requests = 0;
  uint64_t last = warm;
  int open = count;
  while (open > 0) {
    struct epoll_event events[batch];
    const int ready = epoll_wait(poller, events, batch, -1);
    if (ready < 0 && errno != EINTR) fail("load: epoll_wait");
    for (int i = 0; i < ready; ++i) {
      Connection* connection = events[i].data.ptr;
      if (!receive(connection)) continue;
      const uint64_t now = now_ns();
      if (now >= warm && now <= end) {
        const uint64_t bin = (now - connection->sent_at) / bin_ns;
        ++histogram[bin < bins ? bin : bins - 1];
        ++requests;
        last = now;
      }
      if (now < end) {
        send_request(connection);
      } else {
        --open;
      }
    }
  }
  for (int i = 0; i < count; ++i) close(connections[i].fd);

  const double measured = (double)(last - warm) * 1e-9;
  printf("%llu %.0f %.2f %.2f\n", (unsigned long long)requests, measured > 0 ? (double)requests / measured : 0,
         percentile_us(requests, 0.5), percentile_us(requests, 0.99));
  return 0;
}
