// SPDX-License-Identifier: MIT
// Misuse: one clear line on stderr, nothing on stdout, exit code 2.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "process.hpp"
#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

struct Misuse {
  const char* name;
  std::vector<std::string> arguments;
  const char* message;
  /// Without it GoogleTest puts the bytes of the pointers into the name that ctest shows.
  friend void PrintTo(const Misuse& misuse, std::ostream* out) { *out << misuse.name; }
};

class CommandLine : public ::testing::TestWithParam<Misuse> {};

TEST_P(CommandLine, MisuseIsOneClearLineAndExitCodeTwo) {
  const Result result = linkcheck(GetParam().arguments);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.find("linkcheck: "), 0U) << result.err;
  EXPECT_NE(result.err.find(GetParam().message), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
}

INSTANTIATE_TEST_SUITE_P(
    Misuse, CommandLine,
    ::testing::Values(
        Misuse{"UnknownOption", {"--fast"}, "unknown option --fast"},
        Misuse{"UnknownShortOption", {"-x"}, "unknown option -x"},
        Misuse{"MissingValue", {"--timeout"}, "--timeout needs a value"},
        Misuse{"ValueForAFlag", {"--external=yes"}, "--external takes no value"},
        Misuse{"NotANumber", {"--concurrency", "many"}, "not 'many'"},
        Misuse{"NumberWithMore", {"--concurrency=5x"}, "not '5x'"},
        Misuse{"EmptyNumber", {"--concurrency="}, "--concurrency needs a number"},
        Misuse{"ZeroConcurrency", {"--concurrency", "0"}, "from 1 to 1000"},
        Misuse{"HugeConcurrency", {"--concurrency", "99999999999999999999"}, "from 1 to 1000"},
        Misuse{"NegativeTimeout", {"--timeout", "-3"}, "--timeout needs a number"},
        Misuse{"NotANumberTimeout", {"--timeout", "nan"}, "--timeout needs a number"},
        Misuse{"InfiniteTimeout", {"--timeout", "inf"}, "--timeout needs a number"},
        Misuse{"EmptyJson", {"--json", ""}, "--json needs a file name"},
        Misuse{"UnwritableJson", {"--json", "/no/such/folder/x.json", "/tmp"}, "cannot write /no/such/folder/x.json"},
        Misuse{"MissingDirectory", {"/no/such/folder"}, "no such directory: /no/such/folder"},
        Misuse{"EmptyDirectoryName", {""}, "no such directory"},
        Misuse{"NotADirectory", {"/etc/passwd"}, "not a directory: /etc/passwd"},
        Misuse{"UrlWithoutHost", {"http://"}, "not a URL"},
        Misuse{"TwoSites", {"/tmp", "/usr"}, "one directory or URL at a time"}),
    [](const auto& instance) { return instance.param.name; });

TEST(CommandLineHelp, IsOnStdoutAndNamesTheExitCodes) {
  const Result result = linkcheck({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.says("--concurrency"));
  EXPECT_TRUE(result.says("130 interrupted"));
  EXPECT_EQ(result.err, "");
}

TEST(CommandLineSite, FolderWithoutPagesIsMisuse) {
  const TemporarySite site;
  site.file("notes.txt", "x");
  const Result result = linkcheck({site.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("no HTML files in"), std::string::npos) << result.err;
}

TEST(CommandLineSite, NameAfterTwoDashesMayBeginWithOne) {
  const Result result = linkcheck({"--", "--external"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("no such directory: --external"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace linkcheck_test
