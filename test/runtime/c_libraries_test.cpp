// SPDX-License-Identifier: MIT
// Awaiting below real C libraries: results, failures, and a cancel at each await, with nothing leaked and the library
// usable afterwards. The address sanitizer watches what the libraries own.
#include "runtime_test.hpp"

#include <expat.h>
#include <libxml/parser.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <coir/c_boundary.hpp>
#include <coir/sleep.hpp>

namespace coir::test {
namespace {

/// What each test awaits in callbacks. Counts, and cancels its own task at the one that was chosen.
class Awaits {
 public:
  explicit Awaits(int cancelled_at) : cancelled_at_(cancelled_at) {}
  void one() {
    if (++count_ == cancelled_at_) current_task().cancel("stop");
    sleep(1ms);
  }
  int count() const { return count_; }

 private:
  int cancelled_at_;
  int count_ = 0;
};

class CLibrariesTest : public RuntimeTest {
 protected:
  /// Runs scenario(awaits) undisturbed, and then once for each await in it, cancelled there. Returns how many there are.
  template <class Scenario>
  int cancel_at_each_await(Scenario&& scenario) {
    int total = 0;
    run([&] {
      Awaits undisturbed(0);
      scenario(undisturbed);
      total = undisturbed.count();
    });
    for (int at = 1; at <= total; ++at) {
      run([&] {
        Awaits awaits(at);
        auto task = create_task([&] { scenario(awaits); });
        EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop") << "at await " << at;
        EXPECT_TRUE(task.cancelled());
        EXPECT_EQ(awaits.count(), at);
      });
    }
    return total;
  }
};

TEST_F(CLibrariesTest, QsortComparator) {
  const std::vector<int> shuffled{5, 3, 9, 1, 7, 2, 8};
  const int awaits = cancel_at_each_await([&](Awaits& each) {
    std::vector<int> items = shuffled;
    call_c([&] {
      ::qsort_r(
          items.data(), items.size(), sizeof(int),
          [](const void* a, const void* b, void* data) {
            return c_boundary(
                [&] {
                  static_cast<Awaits*>(data)->one();
                  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
                },
                0);
          },
          &each);
    });
    EXPECT_TRUE(std::is_sorted(items.begin(), items.end()));
  });
  EXPECT_GT(awaits, 6);
}

// ---- SQLite: one connection for each task ---------------------------------------------------------------------------

struct CloseDatabase {
  void operator()(sqlite3* database) const { EXPECT_EQ(sqlite3_close(database), SQLITE_OK) << "something is left open"; }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

Database open_database(const char* name) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open(name, &database), SQLITE_OK);
  return Database(database);
}

/// Runs a statement; throws what SQLite says.
void execute(sqlite3* database, const char* statement) {
  call_c([&] {
    char* message = nullptr;
    if (sqlite3_exec(database, statement, nullptr, nullptr, &message) != SQLITE_OK) {
      const std::string text = message != nullptr ? message : "unknown";
      sqlite3_free(message);
      throw std::runtime_error(text);
    }
  });
}

void slow_double(sqlite3_context* context, int, sqlite3_value** values) {
  const bool ran = c_boundary([&] {
    static_cast<Awaits*>(sqlite3_user_data(context))->one();
    sqlite3_result_int(context, 2 * sqlite3_value_int(values[0]));
  });
  if (!ran) sqlite3_result_error(context, "interrupted", -1);
}

TEST_F(CLibrariesTest, SqliteUserFunction) {
  const Database database = open_database(":memory:");
  execute(database.get(), "create table numbers (n); insert into numbers values (1), (2), (3), (4)");
  const int awaits = cancel_at_each_await([&](Awaits& each) {
    sqlite3_create_function(database.get(), "slow_double", 1, SQLITE_UTF8, &each, slow_double, nullptr, nullptr);
    execute(database.get(), "update numbers set n = slow_double(n)");
  });
  EXPECT_EQ(awaits, 4);
  // Only the undisturbed run has changed anything: a cancelled statement is rolled back.
  int sum = 0;
  sqlite3_exec(
      database.get(), "select sum(n) from numbers",
      [](void* data, int, char** columns, char**) { return *static_cast<int*>(data) = std::atoi(columns[0]), 0; }, &sum,
      nullptr);
  EXPECT_EQ(sum, 20);
}

TEST_F(CLibrariesTest, SqliteBusyHandlerLetsTheOtherTaskCommit) {
  const std::string file = "c_libraries_test." + std::to_string(::getpid()) + ".db";
  struct Remove {
    ~Remove() { ::unlink(name.c_str()); }
    std::string name;
  } const remove{file};
  const Database writer = open_database(file.c_str());
  const Database reader = open_database(file.c_str());
  execute(writer.get(), "create table t (n)");
  const auto busy = [](void* data, int) {
    return c_boundary([&] { return static_cast<Awaits*>(data)->one(), 1; }, 0);  // 0: give up
  };
  const int awaits = cancel_at_each_await([&](Awaits& each) {
    execute(writer.get(), "begin immediate; insert into t values (1)");
    auto commit = create_task([&] {
      sleep(3ms);
      execute(writer.get(), "commit");
    });
    sqlite3_busy_handler(reader.get(), busy, &each);
    try {
      execute(reader.get(), "insert into t values (2)");
    } catch (const CancelledError&) {
      await(commit);
      throw;
    }
    await(commit);
  });
  EXPECT_GE(awaits, 3);
}

// ---- XML: a parser for each task ------------------------------------------------------------------------------------

constexpr std::string_view document = "<list><item>1</item><item>2</item><item>3</item></list>";

TEST_F(CLibrariesTest, Libxml2SaxHandler) {
  struct Handler {
    Awaits* awaits;
    xmlParserCtxtPtr parser = nullptr;
    std::string seen = {};
  };
  xmlInitParser();
  const int awaits = cancel_at_each_await([&](Awaits& each) {
    Handler handler{&each};
    xmlSAXHandler sax{};
    sax.initialized = XML_SAX2_MAGIC;
    sax.startElementNs = [](void* data, const xmlChar* name, const xmlChar*, const xmlChar*, int, const xmlChar**, int,
                            int, const xmlChar**) {
      auto& self = *static_cast<Handler*>(data);
      const bool ran = c_boundary([&] {
        self.awaits->one();
        self.seen += reinterpret_cast<const char*>(name);
        self.seen += ' ';
      });
      if (!ran) xmlStopParser(self.parser);
    };
    struct Free {
      ~Free() { xmlFreeParserCtxt(parser); }
      xmlParserCtxtPtr parser;
    } const context{xmlCreatePushParserCtxt(&sax, &handler, nullptr, 0, nullptr)};
    handler.parser = context.parser;
    call_c([&] { xmlParseChunk(context.parser, document.data(), static_cast<int>(document.size()), 1); });
    EXPECT_EQ(handler.seen, "list item item item ");
  });
  EXPECT_EQ(awaits, 4);
  xmlCleanupParser();
}

TEST_F(CLibrariesTest, ExpatHandler) {
  struct Handler {
    Awaits* awaits;
    XML_Parser parser;
    std::string seen = {};
  };
  const int awaits = cancel_at_each_await([&](Awaits& each) {
    struct Free {
      ~Free() { XML_ParserFree(parser); }
      XML_Parser parser;
    } const owned{XML_ParserCreate(nullptr)};
    Handler handler{&each, owned.parser};
    XML_SetUserData(owned.parser, &handler);
    XML_SetCharacterDataHandler(owned.parser, [](void* data, const char* text, int length) {
      auto& self = *static_cast<Handler*>(data);
      const bool ran = c_boundary([&] {
        self.awaits->one();
        self.seen.append(text, static_cast<std::size_t>(length));
      });
      if (!ran) XML_StopParser(self.parser, XML_FALSE);
    });
    call_c([&] { XML_Parse(owned.parser, document.data(), static_cast<int>(document.size()), 1); });
    EXPECT_EQ(handler.seen, "123");
  });
  EXPECT_EQ(awaits, 3);
}

TEST_F(CLibrariesTest, TwoTasksInTheSameLibraryTakeTurns) {
  run([&] {
    const auto sorter = [&](const std::string& name, Duration pause) {
      return create_task([=, this] {
        std::vector<int> items{2, 1};
        struct Data {
          const CLibrariesTest* test;
          Duration pause;
        } data{this, pause};
        call_c([&] {
          ::qsort_r(
              items.data(), items.size(), sizeof(int),
              [](const void* a, const void* b, void* argument) {
                return c_boundary(
                    [&] {
                      sleep(static_cast<Data*>(argument)->pause);
                      return *static_cast<const int*>(a) - *static_cast<const int*>(b);
                    },
                    0);
              },
              &data);
        });
        trace(name + " has " + std::to_string(items[0]) + std::to_string(items[1]));
      });
    };
    auto slow = sorter("slow", 2s);
    auto fast = sorter("fast", 1s);
    await(slow), await(fast);
  });
  EXPECT_EQ(events, (Trace{"fast has 12", "slow has 12"}));
}

}  // namespace
}  // namespace coir::test
