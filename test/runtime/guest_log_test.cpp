// SPDX-License-Identifier: MIT
// What is no exception when a host errs: told by the log, with what to write.
#include "guest_test.hpp"

#include <log_capture.hpp>

namespace coir::test {
namespace {

class GuestLogTest : public GuestTest, protected LogCapture {
 protected:
  /// As attach(), without the pump.
  void attach_anew() {
    if (attachment) detach();
    attachment.emplace(loop(), host);
  }
};

TEST_F(GuestLogTest, AHostThatNeverPumpsIsToldWhatToWrite) {
  attach_anew();
  auto first = loop().create_task([] {}, TaskOptions{.name = "first"});
  auto second = loop().create_task([] {});
  EXPECT_EQ(log(), "");
  attachment.reset();
  EXPECT_EQ(log().rfind("warning detach(): no pump() happened since attach(), so 2 tasks never began, the first of them "
                        "Task 'first' created at guest_log_test.cpp:", 0), 0U)
      << log();
  EXPECT_TRUE(logged("Have your loop watch loop.backend_fd() for reading and call loop.pump() whenever it is readable"))
      << log();
  EXPECT_TRUE(first.cancelled() && second.cancelled());
  const std::string once = log();
  attach();
  detach();
  EXPECT_EQ(log(), once);
}

TEST_F(GuestLogTest, NoTaskNeedBeAmongWhatAPumpWouldHaveRun) {
  DescriptorPair pipe(make_pipe());
  const std::vector<std::pair<const char*, std::function<void()>>> ready{
      {"a callback", [&] { loop().call_soon([] {}); }},
      {"a timer", [&] { loop().call_later(0s, [] {}); }},
      {"a post", [&] { std::thread([&] { loop().call_soon_threadsafe([] {}); }).join(); }},
      {"a descriptor", [&] {
         loop().add_reader(pipe[0], [&] { EXPECT_TRUE(loop().remove_reader(pipe[0])); });
         put(pipe[1]);
       }}};
  for (const auto& [what, make_ready] : ready) {
    attach_anew();
    const std::size_t before = log().size();
    make_ready();
    detach();
    EXPECT_NE(log().find("no pump() happened since attach(), so nothing that was ready has run.", before),
              std::string::npos) << what << ": " << log();
    run_ready();
  }
}

TEST_F(GuestLogTest, AHostThatHadNoReasonToPumpIsNotBlamed) {
  DescriptorPair pipe(make_pipe());
  attach_anew();
  auto timer = loop().call_later(1s, [] {});
  loop().add_reader(pipe[0], [] {});
  detach();
  timer.cancel();
  EXPECT_TRUE(loop().remove_reader(pipe[0]));

  attach();
  auto late = loop().create_task([] {});  // behind the last pump
  detach();
  EXPECT_TRUE(late.cancelled());
  EXPECT_EQ(log(), "");
}

TEST_F(GuestLogTest, AHostThatIsDestroyedFirstIsNamedAndTheLoopStaysAGuest) {
  detach();
  auto gone = std::make_unique<RecordingHost>();
  attachment.emplace(loop(), *gone);
  auto task = loop().create_task([] { sleep(1h); });
  pump();
  gone.reset();
  EXPECT_EQ(log().rfind("error ~Host(): the host of an event loop was destroyed while that is attached to it.", 0), 0U)
      << log();
  EXPECT_TRUE(logged("Declare the host before the Attachment, so that it outlives it: EventLoop loop; Host host; "
                     "Attachment attachment(loop, host); or call detach() before the host goes.")) << log();
  EXPECT_TRUE(loop().is_running());
  loop().call_soon(note("still pumped"));
  loop().call_soon([this] { loop().stop(); });  // would call stopped()
  pump_while_readable();
  task.cancel();
  run_host();                                   // would call hold(false)
  loop().call_soon(note("and again"));          // would call hold(true)
  pump_while_readable();
  EXPECT_EQ(events, (Trace{"still pumped", "and again"}));
  auto left = loop().create_task([] { sleep(1h); });
  pump();
  detach();
  EXPECT_TRUE(left.cancelled());
  const std::string once = log();
  attach();  // to another one
  EXPECT_EQ(log(), once);
}

TEST_F(GuestLogTest, AHostMayBeDestroyedByACallbackOfItsGuest) {
  detach();
  auto gone = std::make_unique<RecordingHost>();
  attachment.emplace(loop(), *gone);
  loop().call_soon([&] {
    gone.reset();
    loop().stop();
  });
  pump();
  EXPECT_TRUE(logged("error ~Host(): ")) << log();
  detach();
}

TEST_F(GuestLogTest, AnAdapterDestroyedByItsGuestLeavesAGuest) {
  detach();
  struct Adapter final : Host {
    explicit Adapter(EventLoop& loop) : attachment(loop, *this) {}
    Attachment attachment;
  };
  auto adapter = std::make_unique<Adapter>(loop());
  loop().call_soon([&] { adapter.reset(); });
  pump();
  expect_reported({"an event loop was detached from its host: coir::UsageError: detach() inside pump()"});
  EXPECT_TRUE(logged("error ~Host(): ")) << log();
  EXPECT_TRUE(loop().is_running());
  loop().detach();
}

TEST_F(GuestLogTest, InDebugModeNestedPumpsAreToldOf) {  // 1.4
  loop().set_debug(true);
  int depth = 0;
  std::function<void()> nest = [&] {
    if (++depth == 10) return;
    loop().call_soon(nest);
    const int before = depth;
    while (depth == before) pump();
  };
  loop().call_soon(nest);
  pump();
  EXPECT_EQ(depth, 10);
  EXPECT_EQ(log().rfind("warning 9 calls of pump() are on the stack, each inside of a callback that the one before runs",
                        0), 0U)
      << log();
}

TEST(GuestLogsTest, ATaskThatRunsTheHostsLoopIsNamedOnce) {  // 1.4; once in a process
  const ChildResult child = in_child([] {
    const LogCapture capture;
    EventLoop loop;
    Host host;
    const Attachment attachment(loop, host);
    auto task = loop.create_task([&] {
      loop.pump();
      loop.pump();
    }, TaskOptions{.name = "modal"});
    loop.pump();
    std::fputs(capture.log().c_str(), stderr);
    return task.done() ? 0 : 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
  const std::string text = "warning Task 'modal' created at guest_log_test.cpp:";
  EXPECT_EQ(child.output.rfind(text, 0), 0U) << child.output;
  EXPECT_TRUE(child.says("runs the host's event loop on its own stack of ")) << child.output;
  EXPECT_TRUE(child.says("Write coir::on_main([&] { ... }) around the call")) << child.output;
  EXPECT_EQ(child.output.find(text, 1), std::string::npos) << child.output;
}

}  // namespace
}  // namespace coir::test
