// SPDX-License-Identifier: MIT
// The core and the combinators, in one include.
#pragma once

#include <coir/as_completed.hpp>
#include <coir/await.hpp>
#include <coir/barrier.hpp>
#include <coir/call_graph.hpp>
#include <coir/clock.hpp>
#include <coir/condition.hpp>
#include <coir/context.hpp>
#include <coir/errors.hpp>
#include <coir/event.hpp>
#include <coir/event_loop.hpp>
#include <coir/executor.hpp>
#include <coir/future.hpp>
#include <coir/gather.hpp>
#include <coir/handle.hpp>
#include <coir/host.hpp>
#include <coir/io.hpp>
#include <coir/lifo_queue.hpp>
#include <coir/lock.hpp>
#include <coir/no_await.hpp>
#include <coir/on_main.hpp>
#include <coir/outcome.hpp>
#include <coir/priority_queue.hpp>
#include <coir/queue.hpp>
#include <coir/run.hpp>
#include <coir/semaphore.hpp>
#include <coir/shield.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>
#include <coir/task_group.hpp>
#include <coir/threads.hpp>
#include <coir/timeout.hpp>
#include <coir/version.hpp>
#include <coir/wait.hpp>
#include <coir/wait_for.hpp>
