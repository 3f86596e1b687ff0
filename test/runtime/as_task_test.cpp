// SPDX-License-Identifier: MIT
#include "bridge_test.hpp"

#include <coir/as_task.hpp>

#include <functional>
#include <stdexcept>
#include <string_view>

namespace coir::test {
namespace {

class AsTaskTest : public BridgeTest {};
COIR_FROM_BOTH_SIDES(AsTaskTest);

TEST_P(AsTaskTest, EachCallIsATaskThatMayAwait) {
  run([&] {
    std::function<void(int, const std::string&)> callback = as_task([&](int n, const std::string& text) {
      trace("begin " + text);
      sleep(std::chrono::milliseconds(n));
      trace("end " + text);
    });
    here([&] {
      callback(2, std::string("a"));
      callback(1, std::string("b"));
      callback = nullptr;  // the tasks keep what they need
    });
    trace("called");
    sleep(5ms);
  });
  EXPECT_EQ(events, (Trace{"called", "begin a", "begin b", "end b", "end a"}));
}

TEST_P(AsTaskTest, TakesMoveOnlyCallablesAndArguments) {
  run([&] {
    auto callback = as_task([this, owned = std::make_unique<int>(3)](std::unique_ptr<int> n) {
      trace(std::to_string(*owned + *n));
    });
    here([&] { callback(std::make_unique<int>(4)); });
    sleep(0s);
    sleep(0s);
  });
  EXPECT_EQ(events, Trace{"7"});
}

/// Calls with a string that is gone when the task runs.
template <class Callback>
void call_with_text(Callback& callback, const char* text) {
  const auto gone = std::make_unique<std::string>(text);
  callback(gone->c_str());
  gone->assign(gone->size(), '?');
}

Trace* greeted = nullptr;
void greet(const std::string& who) { greeted->push_back("function " + who); }

TEST_P(AsTaskTest, ConvertsArgumentsWhenItIsCalled) {
  greeted = &events;
  run([&] {
    auto lambda = as_task([this](const std::string& who) { trace("lambda " + who); });
    auto changing = as_task([this, n = 0](std::string who) mutable { trace("changing " + who + std::to_string(++n)); });
    auto function = as_task(greet);
    auto wrapped = as_task(std::function<void(std::string&&)>([this](std::string&& who) { trace("wrapped " + who); }));
    auto silent = as_task([this](const std::string& who) noexcept { trace("noexcept " + who); });
    here([&] {
      call_with_text(lambda, "a");
      call_with_text(changing, "b");
      call_with_text(function, "c");
      call_with_text(wrapped, "d");
      call_with_text(silent, "e");
    });
    let_posts_arrive();
  });
  EXPECT_EQ(events, (Trace{"lambda a", "changing b1", "function c", "wrapped d", "noexcept e"}));
}

TEST_P(AsTaskTest, ConvertsTheArgumentsOfAMemberFunctionBehindTheObject) {
  struct Label {
    Trace& shown;
    void show(const std::string& text) { shown.push_back("label " + text); }
  } label{events};
  run([&] {
    auto show = [start = as_task(&Label::show), &label](const char* text) { start(&label, text); };
    here([&] { call_with_text(show, "a"); });
    let_posts_arrive();
  });
  EXPECT_EQ(events, Trace{"label a"});
}

TEST_P(AsTaskTest, AViewRefersToTheTasksCopyOfWhatOwnsTheText) {
  run([&] {
    auto callback = as_task([this](std::string_view text) { trace(std::string(text)); });
    here([&] {
      std::string text = "a text that is too long to be kept inside of its object";
      callback(text);
      text.assign(text.size(), '?');
      callback(std::string("another one of those that are too long to be kept inside"));
    });
    let_posts_arrive();
  });
  EXPECT_EQ(events, (Trace{"a text that is too long to be kept inside of its object",
                           "another one of those that are too long to be kept inside"}));
}

TEST_P(AsTaskTest, AnObjectOfADerivedClassStaysOne) {
  struct Event {
    virtual ~Event() = default;
    virtual std::string text() const = 0;
  };
  struct Click final : Event {
    std::string text() const override { return "click"; }
  };
  run([&] {
    auto callback = as_task([this](const Event& event) { trace(event.text()); });
    here([&] { callback(Click()); });
    let_posts_arrive();
  });
  EXPECT_EQ(events, Trace{"click"});
}

TEST_P(AsTaskTest, PointersReferencesAndWhatIsSaidToBeBorrowedStayWhatTheyAre) {
  int clicks = 0;
  run([&] {
    auto by_pointer = as_task([](int* n) { ++*n; });
    auto by_reference = as_task([](std::reference_wrapper<int> n) { ++n.get(); });
    auto referring = as_task([](int& n) { ++n; });
    auto borrowing = as_task([this](borrowed<std::string_view> text) { trace(std::string(text.value)); });
    auto any = as_task([this](auto text) { trace(text); });
    here([&] {
      by_pointer(&clicks);
      by_reference(clicks);
      referring(std::ref(clicks));
      borrowing("literal");
      any("as passed");
    });
    let_posts_arrive();
  });
  EXPECT_EQ(clicks, 3);
  EXPECT_EQ(events, (Trace{"literal", "as passed"}));
}

template <class F, class... Args>
inline constexpr bool takes = std::is_invocable_v<decltype(as_task(std::declval<F>())), Args...>;
static_assert(takes<void (*)(const std::string&), const char*> && !takes<void (*)(const std::string&), int>);
static_assert(takes<void (*)(long, double), int, float> && !takes<void (*)(long, double), int>);
static_assert(!takes<void (*)(int), int, int> && takes<void (*)()>);
constexpr auto with_default = [](int, int = 2) {};
static_assert(takes<decltype(with_default), int> && takes<decltype(with_default), int, long>);
constexpr auto generic = [](auto...) {};
static_assert(takes<decltype(generic)> && takes<decltype(generic), const char*, int>);
static_assert(takes<int (*)(const char*, ...), const char*, int>);

TEST_P(AsTaskTest, AFailureIsReported) {
  run([&] {
    auto callback = as_task([] { throw std::out_of_range("inside"); });
    here([&] { callback(); });
    sleep(0s);
    sleep(0s);
  });
  expect_reported({"Task exception was never retrieved"});
}

TEST_P(AsTaskTest, OnceTheLoopIsClosedACallIsCounted) {
  std::function<void()> callback;
  {
    EventLoop real;
    real.call_soon([&] {
      callback = as_task([this] { trace("never"); });
      real.stop();
    });
    real.run_forever();
  }
  here([&] { callback(); });
  EXPECT_EQ(after_close(), 1U);
  EXPECT_TRUE(events.empty());
}

TEST_P(AsTaskTest, NeedsARunningLoop) {
  expect_usage_error(Reason::no_running_loop, "as_task()", [] { static_cast<void>(as_task([] {})); });
}

}  // namespace
}  // namespace coir::test
