// SPDX-License-Identifier: MIT
// What the programs with planted bugs have in common: tasks that switch a lot around the bug.
#pragma once

#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <chrono>
#include <vector>

namespace planted {

inline void pause() { coir::sleep(std::chrono::seconds(0)); }

/// Runs bug() in a task, after it was suspended and among others that are suspended meanwhile.
template <class Fn>
void run_among_others(Fn bug) {
  coir::run([&] {
    std::vector<coir::Task<void>> tasks;
    for (int i = 0; i < 20; ++i) {
      tasks.push_back(coir::create_task([] {
        for (int round = 0; round < 5; ++round) pause();
      }));
    }
    tasks.push_back(coir::create_task([&] {
      pause();
      bug();
      pause();
    }));
    for (const auto& task : tasks) coir::await(task);
  });
}

}  // namespace planted
