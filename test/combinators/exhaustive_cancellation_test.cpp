// SPDX-License-Identifier: MIT
// One cancel, landed before every single step of small scripts: what must hold whatever it hits.
//
// A script has three tasks that each do one thing inside of another: of {lock, semaphore, condition, queue (two ways),
// gather, shield, timeout, task group}, each nested in each. Its run without a cancel counts the steps; then it is run
// again for each step and each victim, which is cancelled just before that step: while it waits, when it has been woken
// but has not run, when it is about to run. After every step the invariants of all objects are looked at; at the end
// everybody must have finished and everything be free again.
#include <loop_test.hpp>

#include <coir/coir.hpp>
#include <coir/trace.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace coir::test {
namespace {

/// Who wants an object and who has it.
struct Users {
  std::vector<AnyTask> waiting;
  int inside = 0;

  /// Calls fn(), which may wait.
  template <class Fn>
  void wait(Fn&& fn) {
    struct Place {
      std::vector<AnyTask>& waiting;
      AnyTask task = current_task();
      explicit Place(std::vector<AnyTask>& line) : waiting(line) { waiting.push_back(task); }
      Place(const Place&) = delete;
      Place& operator=(const Place&) = delete;
      ~Place() { waiting.erase(std::find(waiting.begin(), waiting.end(), task)); }
    } const place(waiting);
    fn();
  }
  /// At least one of those who wait will run and look again.
  bool somebody_is_woken() const {
    return std::any_of(waiting.begin(), waiting.end(), [](const AnyTask& task) { return is_woken(task); });
  }
  /// How many have been woken by the object and not by a cancellation.
  int woken() const {
    return static_cast<int>(std::count_if(waiting.begin(), waiting.end(), [](const AnyTask& task) {
      return is_woken(task) && task.waiting_on() && !task.waiting_on().cancelled();
    }));
  }
  static bool is_woken(const AnyTask& task) { return !task.waiting_on() || task.waiting_on().done(); }
};

/// Counts who is inside while it exists, and calls fn() behind that.
class Inside {
 public:
  Inside(Users& users, std::function<void()> leave) : users_(users), leave_(std::move(leave)) { ++users_.inside; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() {
    --users_.inside;
    leave_();
  }

 private:
  Users& users_;
  std::function<void()> leave_;
};

using Body = std::function<void()>;

/// The objects of one level of nesting, and what is done with them.
class Level {
 public:
  static constexpr std::array names = {"lock",   "semaphore", "condition", "queue get", "queue put",
                                       "gather", "shield",    "timeout",   "task group"};

  Level() { items_.put_nowait(1); }

  void run(std::size_t construct, const Body& body) {
    switch (construct) {
      case 0: return with_lock(body);
      case 1: return with_semaphore(body);
      case 2: return with_condition(body);
      case 3: return with_item(body);
      case 4: return with_place(body);
      case 5: return static_cast<void>(await(gather(body, body)));
      case 6: return await(shield(create_task(body)));
      case 7: return with_timeout(body);
      default:
        return task_group([&](TaskGroup& group) {
          group.create_task(body);
          group.create_task(body);
        });
    }
  }

  /// Empty: all invariants hold.
  std::string broken() const {
    if (lock_users_.inside > 1) return "two hold the lock";
    if (!lock_.locked() && !lock_users_.waiting.empty() && !lock_users_.somebody_is_woken()) {
      return "the lock is free and nobody who waits for it is woken";
    }
    if (static_cast<int>(semaphore_.value()) + semaphore_users_.inside + semaphore_users_.woken() != 1) {
      return "the semaphore lost or gained a permit";
    }
    if (semaphore_.value() > 0 && !semaphore_users_.waiting.empty() && !semaphore_users_.somebody_is_woken()) {
      return "a permit is there and nobody who waits for it is woken";
    }
    if (tokens_ + token_users_.inside != 1) return "the condition's token was lost or doubled";
    if (tokens_ > 0 && !condition_.locked() && !token_users_.waiting.empty() && !token_users_.somebody_is_woken()) {
      return "the condition holds and nobody who waits for it is woken";
    }
    if (static_cast<int>(items_.qsize()) + item_users_.inside != 1) return "the queue lost or gained an item";
    if (!items_.empty() && !item_users_.waiting.empty() && !item_users_.somebody_is_woken()) {
      return "an item is there and nobody who waits for it is woken";
    }
    if (static_cast<int>(places_.qsize()) != place_users_.inside) return "the full queue lost or gained an item";
    if (!places_.full() && !place_users_.waiting.empty() && !place_users_.somebody_is_woken()) {
      return "there is room in the queue and nobody who waits for it is woken";
    }
    return {};
  }
  /// Empty: everything is as it was in the beginning.
  std::string left_behind() const {
    if (lock_.locked()) return "the lock is held for ever";
    if (semaphore_.value() != 1) return "the semaphore's permit is gone";
    if (condition_.locked()) return "the condition's lock is held for ever";
    if (tokens_ != 1) return "the condition's token is gone";
    if (items_.qsize() != 1) return "the item is gone";
    if (places_.qsize() != 0) return "the place is taken for ever";
    return {};
  }

 private:
  void with_lock(const Body& body) {
    lock_users_.wait([&] { lock_.acquire(); });
    const Inside inside(lock_users_, [&] { lock_.release(); });
    body();
  }
  void with_semaphore(const Body& body) {
    semaphore_users_.wait([&] { semaphore_.acquire(); });
    const Inside inside(semaphore_users_, [&] { semaphore_.release(); });
    body();
  }
  void with_condition(const Body& body) {
    {
      std::unique_lock<Condition> held(condition_, std::defer_lock);
      token_users_.wait([&] {
        held.lock();
        condition_.wait(held, [&] { return tokens_ > 0; });
      });
      --tokens_;
      ++token_users_.inside;
    }
    try {
      body();
    } catch (...) {
      give_token_back();
      throw;
    }
    give_token_back();
  }
  void give_token_back() {
    // Whoever has the token must get the lock to give it back, cancelled or not.
    bool cancelled = false;
    for (;;) {
      try {
        condition_.acquire();
        break;
      } catch (const CancelledError&) {
        cancelled = true;
      }
    }
    --token_users_.inside;
    ++tokens_;
    condition_.notify();
    condition_.release();
    if (cancelled) throw CancelledError();
  }
  void with_item(const Body& body) {
    item_users_.wait([&] { items_.get(); });
    const Inside inside(item_users_, [&] { items_.put_nowait(1); });
    body();
  }
  void with_place(const Body& body) {
    place_users_.wait([&] { places_.put(1); });
    const Inside inside(place_users_, [&] { places_.get_nowait(); });
    body();
  }
  static void with_timeout(const Body& body) {
    try {
      timeout(std::chrono::milliseconds(2), body);
    } catch (const TimeoutError&) {
    }
  }

  Lock lock_;
  Semaphore semaphore_{1};
  Condition condition_;
  int tokens_ = 1;
  Queue<int> items_;
  Queue<int> places_{1};
  Users lock_users_;
  Users semaphore_users_;
  Users token_users_;
  Users item_users_;
  Users place_users_;
};

struct Script {
  std::size_t outer;
  std::size_t inner;
  std::string name() const { return std::string(Level::names[inner]) + " in " + Level::names[outer]; }
};

/// One run of a script, with the cancel of one task before one step.
class ScriptRun final : public Tracer {
 public:
  static constexpr std::size_t nobody = ~std::size_t{0};
  static constexpr std::size_t victims = 6;  // the three, and children of theirs

  ScriptRun(EventLoop& loop, const Script& script, std::size_t at_step, std::size_t victim)
      : loop_(loop), script_(script), at_step_(at_step), victim_(victim) {}

  void operator()() {
    // Of a gather that is cancelled some children go on alone: the objects must outlive them.
    std::vector<AnyTask> tasks;
    loop_.set_tracer(this);
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(create_task([this] {
        outer_.run(script_.outer, [this] {
          inner_.run(script_.inner, [] {
            sleep(std::chrono::milliseconds(0));
            sleep(std::chrono::milliseconds(1));
          });
        });
      }));
    }
    started_ = true;
    for (int waited = 0; all_tasks().size() > 1 && waited < 1000; ++waited) sleep(std::chrono::milliseconds(1));
    loop_.set_tracer(nullptr);
    for (const AnyTask& task : all_tasks()) {
      if (task == current_task()) continue;
      fail("never ends: " + task.describe() + ", waits on " +
           (task.waiting_on() ? task.waiting_on().describe() : "nothing"));
      task.cancel();
    }
    while (all_tasks().size() > 1) sleep(std::chrono::milliseconds(1));
    for (const AnyTask& task : tasks) {
      if (task.done() && !task.cancelled()) static_cast<void>(task.exception());
    }
    if (failure_.empty()) fail_if(outer_.left_behind());
    if (failure_.empty()) fail_if(inner_.left_behind());
  }

  void on_event(const TraceEvent& event) override {
    const bool step = event.kind == TraceEvent::Kind::step_runs || event.kind == TraceEvent::Kind::wakeup_runs;
    if (!started_ || (!step && event.kind != TraceEvent::Kind::callback_runs)) return;
    // Nothing runs at this moment, so nobody is in the middle of a change.
    if (failure_.empty()) fail_if(outer_.broken());
    if (failure_.empty()) fail_if(inner_.broken());
    if (!step || steps_++ != at_step_) return;
    std::vector<AnyTask> tasks = all_tasks(loop_);
    tasks.erase(tasks.begin());  // main
    if (victim_ < tasks.size()) tasks[victim_].cancel();
  }

  std::size_t steps() const noexcept { return steps_; }
  const std::string& failure() const noexcept { return failure_; }

 private:
  void fail(const std::string& text) {
    failure_ += script_.name() + ", task " + std::to_string(victim_) + " cancelled before step " +
                std::to_string(at_step_) + ": " + text + " (seen at step " + std::to_string(steps_) + ")\n";
  }
  void fail_if(const std::string& text) {
    if (!text.empty()) fail(text);
  }

  EventLoop& loop_;
  Script script_;
  std::size_t at_step_;
  std::size_t victim_;
  bool started_ = false;
  std::size_t steps_ = 0;
  std::string failure_;
  Level outer_;
  Level inner_;
};

class ExhaustiveCancellationTest : public LoopTest, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(ExhaustiveCancellationTest, NothingIsLostWhateverACancelHits) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::size_t stride = 7;  // of the steps; another place in each script
#else
  constexpr std::size_t stride = 1;
#endif
  std::size_t runs = 0;
  for (std::size_t inner = 0; inner < Level::names.size(); ++inner) {
    const Script script{GetParam(), inner};
    ScriptRun whole(loop(), script, ScriptRun::nobody, 0);
    run([&] { whole(); });
    ASSERT_EQ(whole.failure(), "");
    ASSERT_GT(whole.steps(), 9U) << "three tasks with two waits each";
    for (std::size_t step = inner % stride; step < whole.steps(); step += stride) {
      for (std::size_t victim = 0; victim < ScriptRun::victims; ++victim) {
        ScriptRun one(loop(), script, step, victim);
        run([&] { one(); });
        ASSERT_EQ(one.failure(), "");
        ++runs;
      }
    }
  }
  RecordProperty("runs", static_cast<int>(runs));
  std::printf("%zu runs\n", runs);
}

INSTANTIATE_TEST_SUITE_P(Outer, ExhaustiveCancellationTest, ::testing::Range(std::size_t{0}, Level::names.size()),
                         [](const ::testing::TestParamInfo<std::size_t>& tested) {
                           std::string name = Level::names[tested.param];
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

/// That the checks see what they are there for.
TEST(ExhaustiveCancellationSelfTest, ALostWakeUpIsSeen) {
  run_virtual([] {
    Users users;
    auto never = get_running_loop().create_future<void>();
    auto waiter = create_task([&] { users.wait([&] { await(never); }); });
    sleep(std::chrono::milliseconds(1));
    EXPECT_FALSE(users.somebody_is_woken());
    EXPECT_EQ(users.woken(), 0);
    never.set_result();
    EXPECT_TRUE(users.somebody_is_woken());
    EXPECT_EQ(users.woken(), 1);
    await(waiter);
    EXPECT_TRUE(users.waiting.empty());
  });
}

}  // namespace
}  // namespace coir::test
