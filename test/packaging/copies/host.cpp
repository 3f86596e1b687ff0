// SPDX-License-Identifier: MIT
// Usage: host <plug-in>... Runs a loop in each, one after the other, without showing their symbols to each other.
#include <dlfcn.h>

#include <cstdio>

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    void* const plugin = ::dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) return std::fprintf(stderr, "%s\n", ::dlerror()), 1;
    const auto run_a_loop = reinterpret_cast<int (*)()>(::dlsym(plugin, "run_a_loop"));
    if (run_a_loop == nullptr || run_a_loop() != 42) return 1;
  }
}
