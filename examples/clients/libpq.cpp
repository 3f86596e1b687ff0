// SPDX-License-Identifier: MIT
// PostgreSQL: rows, COPY, NOTIFY, a query that is cancelled, and a server that goes away.
#include "libpq.hpp"
#include "server.hpp"

#include <cstdio>

using namespace std::chrono_literals;

void show(clients::Server& server, const std::string& options) {
  Connection connection(options);
  const Result rows = connection.query("SELECT n, n * n FROM generate_series(2, 3) AS n");
  for (int i = 0; i < PQntuples(rows.get()); ++i) {
    std::printf("row %s %s\n", PQgetvalue(rows.get(), i, 0), PQgetvalue(rows.get(), i, 1));
  }
  connection.query("CREATE TABLE numbers(n int, text text)");
  const int copied = connection.copy_in("COPY numbers FROM STDIN", [n = 0]() mutable {
    return ++n > 100'000 ? std::string() : std::to_string(n) + "\tnumber " + std::to_string(n) + "\n";
  });
  std::printf("copied %d rows\n", copied);

  Connection listener(options);
  auto jobs = listen(listener, "jobs");
  connection.query("NOTIFY jobs, 'first'");
  connection.query("NOTIFY jobs, 'second'");
  std::printf("notified: %s\n", jobs.next()->c_str());
  std::printf("notified: %s\n", jobs.next()->c_str());

  std::printf("cancelled, and what the server says to it:\n");
  try {
    coir::timeout(50ms, [&] {
      connection.copy_in("COPY numbers FROM STDIN", [] {
        coir::sleep(1ms);
        return std::string("1\tendless\n");
      });
    });
  } catch (const coir::TimeoutError&) {
    std::printf("  the copy has timed out\n");
  }
  try {
    coir::timeout(50ms, [&] { connection.query("SELECT pg_sleep(60)"); });
  } catch (const coir::TimeoutError&) {
    std::printf("  the query has timed out; the next one says %s\n",
                PQgetvalue(connection.query("SELECT 42").get(), 0, 0));
  }

  auto query = coir::create_task([&] { connection.query("SELECT pg_sleep(60)"); });
  auto notified = coir::create_task([&] { jobs.next(); });
  coir::sleep(50ms);
  server.stop(SIGQUIT);
  for (const auto& task : {query, notified}) {
    try {
      coir::await(task);
    } catch (const PqError& error) {
      std::printf("killed: %s\n", error.what());
    }
  }
}

int main() {
  const clients::Leftovers leftovers;
  const std::string bin = clients::find_program({"/usr/lib/postgresql/*/bin"}, "postgresql");
  const passwd* const user = clients::unprivileged({"postgres", "nobody"});
  const clients::TemporaryFolder folder(user);
  coir::run([&] {
    clients::Server initdb(
        folder, {bin + "/initdb", "-D", folder / "data", "-U", "coir", "-A", "trust", "-N", "--locale=C"}, user);
    if (!initdb.succeeds()) throw std::runtime_error(initdb.log());
    clients::Server server(folder, {bin + "/postgres", "-D", folder / "data", "-k", folder.path(), "-h", "", "-F"},
                           user);
    server.wait_until([&] { return server.log().find("ready to accept connections") != std::string::npos; });
    show(server, "dbname=postgres user=coir host=" + folder.path());
  });
}
