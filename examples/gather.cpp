// SPDX-License-Identifier: MIT
// Several functions at once, their results in the order of the arguments.
#include <coir/coir.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

std::string fetch(const std::string& what, std::chrono::milliseconds takes) {
  coir::sleep(takes);
  return what;
}

int main() {
  coir::run([] {
    // Different types give a tuple. The slower one comes first all the same.
    auto [page, size] = coir::await(coir::gather([] { return fetch("index", 20ms); }, [] { return 42; }));
    std::printf("%s %d\n", page.c_str(), size);

    // A range gives a vector.
    std::vector<coir::Task<std::string>> downloads;
    for (const char* name : {"a", "b", "c"}) {
      downloads.push_back(coir::create_task([name] { return fetch(name, 10ms); }));
    }
    for (const std::string& body : coir::await(coir::gather(downloads))) std::printf("%s ", body.c_str());
    std::printf("\n");

    // The first failure is thrown here; the others run on. Or failures become values:
    auto [good, bad] = coir::await(coir::gather(
        coir::return_exceptions, [] { return 1; }, []() -> int { throw std::runtime_error("no route"); }));
    std::printf("%d, %s\n", good.value(), coir::describe(bad.error()).c_str());
  });
}
