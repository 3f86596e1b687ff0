// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <memory>
#include <stdexcept>

namespace coir::test {
namespace {

class FutureTest : public RuntimeTest {};

// CPython: test_futures.py, test_initial_state, test_result.
TEST_F(FutureTest, IsPendingThenDone) {
  auto future = loop().create_future<int>();
  EXPECT_FALSE(future.done());
  EXPECT_THROW(future.result(), InvalidStateError);
  EXPECT_THROW(future.exception(), InvalidStateError);
  future.set_result(3);
  EXPECT_TRUE(future.done());
  EXPECT_FALSE(future.cancelled());
  EXPECT_EQ(future.result(), 3);
  EXPECT_EQ(future.exception(), nullptr);
  EXPECT_EQ(&future.get_loop(), &loop());
}

// CPython: test_futures.py, test_initial_state, test_cancel, test_result, test_exception.
TEST_F(FutureTest, IsCompletedOnce) {  // F1
  auto valued = loop().create_future<int>();
  valued.set_result(1);
  auto failed = loop().create_future<int>();
  failed.set_exception(std::out_of_range("x"));
  auto cancelled = loop().create_future<int>();
  EXPECT_TRUE(cancelled.cancel());
  for (const Future<int>& done : {valued, failed, cancelled}) {
    EXPECT_THROW(done.set_result(2), InvalidStateError);
    EXPECT_THROW(done.set_exception(std::runtime_error("y")), InvalidStateError);
    EXPECT_FALSE(done.cancel());
  }
  EXPECT_EQ(valued.result(), 1);
  EXPECT_THROW(failed.result(), std::out_of_range);
  EXPECT_THROW(cancelled.result(), CancelledError);
}

// CPython: test_futures.py, test_future_cancel_message_getter, test_cancel.
TEST_F(FutureTest, ACancelledOneThrowsItsMessage) {
  auto future = loop().create_future<int>();
  future.cancel("why");
  EXPECT_TRUE(future.done());
  EXPECT_TRUE(future.cancelled());
  EXPECT_EQ(ending_of([&] { future.result(); }), "CancelledError: why");
  EXPECT_EQ(ending_of([&] { static_cast<void>(future.exception()); }), "CancelledError: why");
}

TEST_F(FutureTest, RefusesANullException) {
  auto future = loop().create_future<int>();
  EXPECT_THROW(future.set_exception(std::exception_ptr()), std::invalid_argument);
  EXPECT_FALSE(future.done());
}

TEST_F(FutureTest, CallbackOfADoneOneRunsInTheNextTurn) {  // F2
  auto future = loop().create_future<int>();
  future.set_result(1);
  run([&] {
    const std::uint64_t turn = loop().turns();
    std::uint64_t ran = 0;
    future.add_done_callback([&] { ran = loop().turns(); });
    EXPECT_EQ(ran, 0U);
    sleep(0s);
    EXPECT_EQ(ran, turn + 1);
  });
}

TEST_F(FutureTest, SetResultRunsNothingItself) {  // P2
  auto future = loop().create_future<int>();
  future.add_done_callback(note("callback"));
  future.set_result(1);
  EXPECT_EQ(events, Trace{});
  run_ready();
  EXPECT_EQ(events, (Trace{"callback"}));
}

TEST_F(FutureTest, ACallbackAddedTwiceRunsTwiceAndCannotBeRemovedOnceScheduled) {  // F3
  auto future = loop().create_future<int>();
  const auto callback = note("called");
  const CallbackId first = future.add_done_callback(callback);
  const CallbackId second = future.add_done_callback(callback);
  future.set_result(1);
  EXPECT_FALSE(future.remove_done_callback(first));
  EXPECT_FALSE(future.remove_done_callback(second));
  run_ready();
  EXPECT_EQ(events, (Trace{"called", "called"}));
}

// CPython: test_futures.py, test_remove_done_callback.
TEST_F(FutureTest, ARemovedCallbackDoesNotRunAndIsDestroyedAtOnce) {
  auto future = loop().create_future<int>();
  auto alive = std::make_shared<int>();
  future.add_done_callback(note("a"));
  const CallbackId removed = future.add_done_callback([this, alive] { trace("b"); });
  future.add_done_callback(note("c"));
  EXPECT_TRUE(future.remove_done_callback(removed));
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_FALSE(future.remove_done_callback(removed));
  EXPECT_FALSE(future.remove_done_callback(CallbackId()));
  auto other = loop().create_future<int>();
  const CallbackId kept = other.add_done_callback(note("other"));
  EXPECT_FALSE(future.remove_done_callback(kept)) << "of another future";
  future.set_result(1);
  other.set_result(1);
  run_ready();
  EXPECT_EQ(events, (Trace{"a", "c", "other"}));
}

// CPython: test_futures.py, test_callbacks_remove_first_callback, test_callbacks_remove_first_and_second_callback,
// test_callbacks_remove_third_callback.
TEST_F(FutureTest, RemovedCallbacksDoNotRunWhereverTheyWereInTheList) {
  const std::vector<std::pair<std::vector<std::size_t>, Trace>> cases = {
      {{0, 0}, {"1", "2"}}, {{0, 1, 0}, {"2"}}, {{2, 2}, {"0", "1"}}, {{2, 1, 0}, {}}};
  for (const auto& [removed, left] : cases) {
    auto future = loop().create_future<std::string>();
    std::vector<CallbackId> ids;
    for (const char* name : {"0", "1", "2"}) ids.push_back(future.add_done_callback(note(name)));
    std::vector<bool> gone(3);
    for (const std::size_t index : removed) {
      EXPECT_NE(future.remove_done_callback(ids[index]), gone[index]);
      gone[index] = true;
    }
    future.set_result("foo");
    run_ready();
    EXPECT_EQ(events, left);
    EXPECT_EQ(future.result(), "foo");
    events.clear();
  }
}

// CPython: test_futures.py, test_callbacks_invoked_on_set_result, test_callbacks_invoked_on_set_exception.
TEST_F(FutureTest, CallbacksRunInOrderForAResultAFailureAndACancellation) {
  for (int ending = 0; ending < 3; ++ending) {
    auto future = loop().create_future<int>();
    future.add_done_callback(note("first"));
    future.add_done_callback(note("second"));
    if (ending == 0) future.set_result(1);
    if (ending == 1) future.set_exception(std::runtime_error("x"));
    if (ending == 2) future.cancel();
    EXPECT_EQ(events, Trace{});
    run_ready();
    EXPECT_EQ(events, (Trace{"first", "second"}));
    if (ending == 1) future.exception();
    events.clear();
  }
}

TEST_F(FutureTest, WaitersAndCallbacksShareOneList) {  // F5
  run([&] {
    auto future = loop().create_future<void>();
    future.add_done_callback(note("callback 1"));
    auto waiter = create_task([&] {
      await(future);
      trace("waiter");
    });
    sleep(0s);
    future.add_done_callback(note("callback 2"));
    future.set_result();
    loop().call_soon(note("later work"));
    await(waiter);
  });
  EXPECT_EQ(events, (Trace{"callback 1", "waiter", "callback 2", "later work"}));
}

// CPython: test_futures.py, test_tb_logger_exception_unretrieved, test_future_exception_never_retrieved,
// test_future_exception_never_retrieved_debug, test_future_source_traceback.
TEST_F(FutureTest, AFailureNobodyRetrievedIsReportedOnce) {  // F6
  for (const bool debug : {false, true}) {
    loop().set_debug(debug);
    auto future = loop().create_future<int>();
    future.set_exception(std::runtime_error("lost"));
    EXPECT_FALSE(future.exception_retrieved());
    const Future<int> copy = future;
    future = {};
    EXPECT_EQ(reports.size(), debug ? 1U : 0U) << "there is another handle";
  }
  expect_reported({"Future exception was never retrieved: std::runtime_error: lost",
                   "Future exception was never retrieved: std::runtime_error: lost"});
  EXPECT_EQ(subjects.at(0).rfind("Future created at future_test.cpp:", 0), 0U);
}

// CPython: test_futures.py, test_tb_logger_exception_retrieved, test_tb_logger_exception_result_retrieved.
TEST_F(FutureTest, AFailureThatWasLookedAtIsNotReported) {  // F6
  auto asked = loop().create_future<int>();
  asked.set_exception(std::runtime_error("x"));
  EXPECT_NE(asked.exception(), nullptr);
  EXPECT_TRUE(asked.exception_retrieved());
  auto thrown = loop().create_future<int>();
  thrown.set_exception(std::runtime_error("x"));
  EXPECT_THROW(thrown.result(), std::runtime_error);
  auto awaited = loop().create_future<int>();
  awaited.set_exception(std::runtime_error("x"));
  run([&] { EXPECT_THROW(await(awaited), std::runtime_error); });
}

// F6. CPython: test_futures.py, test_tb_logger_abandoned, test_tb_logger_result_unretrieved,
// test_tb_logger_result_retrieved.
TEST_F(FutureTest, OnesThatArePendingOrHaveAResultGoWithoutAReport) {
  { auto pending = loop().create_future<int>(); }
  {
    auto unread = loop().create_future<int>();
    unread.set_result(42);
    EXPECT_TRUE(unread.exception_retrieved());
  }
  auto read = loop().create_future<int>();
  read.set_result(42);
  EXPECT_EQ(read.result(), 42);
  read = {};
  EXPECT_TRUE(reports.empty());
}

// CPython: test_futures.py, test_tb_logger_not_called_after_cancel.
TEST_F(FutureTest, CancelOfAFailedOneSilencesIt) {  // F6
  auto future = loop().create_future<int>();
  future.set_exception(std::runtime_error("x"));
  EXPECT_FALSE(future.cancel());
  EXPECT_TRUE(future.exception_retrieved());
}

TEST_F(FutureTest, AReportMayMakeHandlesOfTheDyingFuture) {  // F6
  Future<int> failed = loop().create_future<int>();
  Future<int> kept;
  loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) { trace(context.message); });
  failed.set_exception(std::runtime_error("x"));
  failed = {};
  EXPECT_EQ(events, (Trace{"Future exception was never retrieved"}));
}

TEST_F(FutureTest, AllWaitersGetTheSameExceptionObject) {  // F7, X5
  run([&] {
    auto future = loop().create_future<int>();
    std::vector<const std::exception*> caught;
    const auto wait = [&] {
      try {
        await(future);
      } catch (const std::runtime_error& error) {
        sleep(0s);  // both hold it at once
        caught.push_back(&error);
      }
    };
    auto first = create_task(wait);
    auto second = create_task(wait);
    sleep(0s);
    future.set_exception(std::runtime_error("shared"));
    await(first);
    await(second);
    ASSERT_EQ(caught.size(), 2U);
    EXPECT_EQ(caught[0], caught[1]);
  });
}

// CPython: test_futures.py, test_schedule_callbacks_list_mutation_1.
TEST_F(FutureTest, CallbacksMayAddAndRemoveCallbacks) {  // F8
  auto future = loop().create_future<int>();
  CallbackId second;
  future.add_done_callback([&] {
    trace("first");
    EXPECT_FALSE(future.remove_done_callback(second)) << "scheduled already";
    future.add_done_callback(note("added"));
  });
  second = future.add_done_callback(note("second"));
  future.set_result(1);
  run_ready();
  EXPECT_EQ(events, (Trace{"first", "second", "added"}));
}

// CPython: test_futures.py, test_remove_done_callbacks_list_mutation, test_remove_done_callbacks_list_clear,
// test_schedule_callbacks_list_mutation_2.
TEST_F(FutureTest, DestructorsOfCallbacksMayMutateTheList) {  // F8
  auto future = loop().create_future<int>();
  CallbackId last;
  const CallbackId first =
      future.add_done_callback([held = on_destruction([&] { future.remove_done_callback(last); })] {});
  future.add_done_callback(note("kept"));
  last = future.add_done_callback(note("last"));
  EXPECT_TRUE(future.remove_done_callback(first));
  EXPECT_FALSE(future.remove_done_callback(last));
  future.set_result(1);
  run_ready();
  EXPECT_EQ(events, (Trace{"kept"}));
}

TEST_F(FutureTest, ACallbackMayTakeTheFuture) {
  auto future = loop().create_future<int>();
  future.add_done_callback([&](Future<int> done) { trace("typed " + std::to_string(done.result())); });
  future.add_done_callback([&](AnyFuture done) { trace(done == future ? "the same" : "another"); });
  future.set_result(4);
  run_ready();
  EXPECT_EQ(events, (Trace{"typed 4", "the same"}));
}

TEST_F(FutureTest, LivesUntilItsCallbacksRan) {
  {
    auto future = loop().create_future<std::string>();
    future.add_done_callback([&](Future<std::string> done) { trace(done.result()); });
    future.set_result("still here");
  }
  run_ready();
  EXPECT_EQ(events, (Trace{"still here"}));
}

TEST_F(FutureTest, ADroppedPendingOneDropsItsCallbacks) {
  auto alive = std::make_shared<int>();
  { loop().create_future<int>().add_done_callback([alive] {}); }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(FutureTest, HoldsVoidReferencesAndMoveOnlyValues) {
  auto nothing = loop().create_future<void>();
  nothing.set_result();
  nothing.result();
  int target = 1;
  auto reference = loop().create_future<int&>();
  reference.set_result(target);
  EXPECT_EQ(&reference.result(), &target);
  auto owner = loop().create_future<std::unique_ptr<int>>();
  owner.set_result(std::make_unique<int>(2));
  EXPECT_EQ(*owner.result(), 2);
}

TEST_F(FutureTest, ShowsItsValueToToolsThatKnowTheType) {
  auto future = loop().create_future<int>();
  EXPECT_EQ(future.get_if<int>(), nullptr);
  future.set_result(5);
  const AnyFuture any = future;
  ASSERT_NE(any.get_if<int>(), nullptr);
  EXPECT_EQ(*any.get_if<int>(), 5);
  EXPECT_EQ(any.get_if<long>(), nullptr);
}

TEST_F(FutureTest, HandlesAreEqualIfTheFutureIsTheSame) {
  auto future = loop().create_future<int>();
  const Future<int> copy = future;
  EXPECT_EQ(copy, future);
  EXPECT_NE(loop().create_future<int>(), future);
  EXPECT_FALSE(Future<int>());
  const Future<int> moved = std::move(future);
  EXPECT_EQ(moved, copy);
}

}  // namespace
}  // namespace coir::test
