// SPDX-License-Identifier: MIT
// PostgreSQL by libpq, which has no callbacks but a state machine around a socket: the task waits for the socket, at
// any depth, and a cancelled task cancels its query.
#pragma once

#include <coir/coir.hpp>

#include <libpq-fe.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

struct PqError : std::runtime_error {
  explicit PqError(const std::string& text) : std::runtime_error(text.substr(0, text.find('\n'))) {}
};
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// One connection: for one task at a time.
class Connection {
 public:
  explicit Connection(const std::string& options) : pg_(PQconnectStart(options.c_str()), &PQfinish) {
    PQsetNoticeProcessor(
        get(), [](void*, const char*) {}, nullptr);
    // The socket may be another one after each step.
    for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK; state = PQconnectPoll(get())) {
      if (state == PGRES_POLLING_FAILED || PQstatus(get()) == CONNECTION_BAD) throw error();
      state == PGRES_POLLING_READING ? coir::await_readable(socket()) : coir::await_writable(socket());
    }
    PQsetnonblocking(get(), 1);
  }
  PGconn* get() const { return pg_.get(); }
  int socket() const { return PQsocket(get()); }
  PqError error() const { return PqError(PQerrorMessage(get())); }

  /// Suspends. When the task is cancelled, or times out, so is the query: the connection can be used again.
  Result query(const std::string& sql) {
    if (PQsendQuery(get(), sql.c_str()) == 0) throw error();
    try {
      return last_result();
    } catch (const coir::CancelledError&) {
      cancel();
      drain();
      throw;
    }
  }

  /// COPY table FROM STDIN: waits whenever the server is slower than `next`, which returns "" behind the last line.
  template <class Next>
  int copy_in(const std::string& sql, Next next) {
    query(sql);
    try {
      for (std::string line = next(); !line.empty(); line = next()) {
        while (PQputCopyData(get(), line.data(), static_cast<int>(line.size())) == 0) flush();
      }
      while (PQputCopyEnd(get(), nullptr) == 0) flush();
      return std::stoi(PQcmdTuples(last_result().get()));
    } catch (const coir::CancelledError&) {
      while (PQputCopyEnd(get(), "cancelled") == 0) flush();
      drain();
      throw;
    }
  }

 private:
  /// Sends all there is, and reads meanwhile: the server may have to get rid of something before it goes on reading.
  void flush() {
    while (const int left = PQflush(get())) {
      if (left < 0) throw error();
      coir::EventLoop& loop = coir::get_running_loop();
      auto ready = loop.create_future<void>();
      const auto wake = [ready] {
        if (!ready.done()) ready.set_result();
      };
      const int fd = socket();
      const std::shared_ptr<void> watching(nullptr, [&](void*) { loop.remove_reader(fd), loop.remove_writer(fd); });
      loop.add_reader(fd, wake);
      loop.add_writer(fd, wake);
      coir::await(ready);
      if (PQconsumeInput(get()) == 0) throw error();
    }
  }
  Result last_result() {
    flush();
    Result last(nullptr, &PQclear);
    for (;;) {
      while (PQisBusy(get()) != 0) {
        coir::await_readable(socket());
        if (PQconsumeInput(get()) == 0) throw error();
      }
      Result result(PQgetResult(get()), &PQclear);
      const auto status = PQresultStatus(result.get());
      if (result == nullptr) break;
      last = std::move(result);
      if (status == PGRES_COPY_IN) return last;
    }
    if (PQresultStatus(last.get()) == PGRES_FATAL_ERROR) throw PqError(PQresultErrorMessage(last.get()));
    return last;
  }
  /// PQcancel() makes a connection of its own, and blocks meanwhile.
  void cancel() {
    const std::shared_ptr<PGcancel> cancel(PQgetCancel(get()), &PQfreeCancel);
    coir::to_thread([cancel] {
      std::array<char, 256> reason{};
      return PQcancel(cancel.get(), reason.data(), reason.size());
    });
  }
  /// The query ends by itself then, with an error or not.
  void drain() {
    try {
      last_result();
    } catch (const PqError& error) {
      std::printf("  %s\n", error.what());
    }
  }
  std::unique_ptr<PGconn, decltype(&PQfinish)> pg_;
};

/// Notifications as a stream. The connection is the stream's until that is closed.
inline coir::Stream<std::string> listen(Connection& connection, const std::string& channel) {
  connection.query("LISTEN " + channel);
  return coir::stream_from_callback<std::string>(
      [&](auto emit) {
        coir::EventLoop& loop = coir::get_running_loop();
        const int fd = connection.socket();
        loop.add_reader(fd, [&connection, &loop, fd, emit = std::move(emit)] {
          if (PQconsumeInput(connection.get()) == 0) {
            emit.fail(connection.error());
            loop.remove_reader(fd);  // and with it this function
            return;
          }
          while (PGnotify* notify = PQnotifies(connection.get())) emit(notify->extra), PQfreemem(notify);
        });
        return [&loop, fd] {
          loop.remove_reader(fd);
          return coir::Cancel::stopped;
        };
      },
      {.name = "LISTEN"});
}
