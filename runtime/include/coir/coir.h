/* SPDX-License-Identifier: MIT */
/* coir for C11, and for C++ from C++11 on: tasks, waiting and completions of the same library, without exceptions.

   A task is a C function with a stack of its own, one of many on one thread. A function that "suspends" lets the others
   run and returns when what it waits for has come; all else on the thread goes on meanwhile. The names are asyncio's.

       static int hello(void *name) {
         int rc = coir_sleep(0.5);
         if (rc < 0) return rc;                           // cancelled
         printf("hello %s\n", (const char *)name);
         return 0;
       }
       int main(void) { return coir_run(hello, "world", NULL) < 0; }

   Results   Every function returns COIR_OK or a positive number, or one of the negative codes below: none exits, none
             throws. coir_last_error() says more. What a result is written to may be NULL, but for what makes a
             handle, and is untouched on failure.
   Handles   Tasks, completions and loops are numbers, never pointers: one that has been used up is COIR_ESTALE (a loop:
             COIR_ECLOSED), whoever holds it still. 0 is none.
   Cancel    A cancelled task gets COIR_ECANCELED from the call that it is suspended in, or else from the next one that
             suspends; once for each coir_cancel(). It cleans up, with further calls that suspend if it likes, and
             returns COIR_ECANCELED. One that ignores the code lives on; therefore the compiler warns of a result not
             looked at.
   Time      in seconds, as a double: 0.001 is a millisecond. A timeout that is negative, COIR_FOREVER, never comes.
   Threads   The thread of the loop, unless another one is named. A task never changes thread.
   Callbacks of C libraries may suspend, too, where the library bears it: hand the code through, as any error. */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COIR_C_API __attribute__((visibility("default")))
#define COIR_C_CHECKED __attribute__((visibility("default"), warn_unused_result))
#else
#define COIR_C_API
#define COIR_C_CHECKED
#endif

/* What a function returns. A failure of the system is its negative errno: -EPERM for a descriptor that cannot be
   polled. */
enum {
  COIR_OK = 0,
  COIR_ECANCELED = -ECANCELED, /* the task was cancelled: clean up and return this */
  COIR_ETIMEDOUT = -ETIMEDOUT, /* the timeout came first */
  COIR_EINVAL = -EINVAL,       /* an argument: a NULL function, NaN, a name that is too long for the buffer */
  COIR_ENOMEM = -ENOMEM,
  COIR_EBUSY = -EBUSY,         /* another task waits for the same thing */
  COIR_EALREADY = -EALREADY,   /* the completion has been completed before */
  COIR_ESTALE = -ESTALE,       /* the handle has been used up, or is of another loop */
  COIR_EINTR = -EINTR,         /* coir_run(): SIGINT */
  COIR_EDEADLK = -EDEADLK,     /* coir_run(): every task waits, and nothing can wake any */
  COIR_EUSAGE = -10001,        /* a call that cannot work here: coir_last_error() says what to write instead */
  COIR_ECLOSED = -10002,       /* the loop is closed */
  COIR_EFAILED = -10003        /* a function written in C++ threw: coir_last_error() has the exception's text */
};

#define COIR_FOREVER (-1.0)

typedef uint64_t coir_task;
typedef uint64_t coir_loop;
/* Fits into a pointer: pass it as the user data of a callback, (void *)id, and cast it back. */
typedef uintptr_t coir_completion;

/* The body of a task, or blocking work. What it returns is the result; COIR_ECANCELED ends a task as cancelled. */
typedef int (*coir_fn)(void *data);
typedef void (*coir_callback)(void *data);

/* ---- Errors and version ------------------------------------------------------------------------------------------ */

/* What a code means: "COIR_ETIMEDOUT: the timeout came first". A code that is none: "unknown error". Suspends: never.
   Threads: any. */
COIR_C_API const char *coir_strerror(int code);
/* What the last call that failed in this task said; outside of tasks: in this callback, or on this thread. "" if none
   did.
   Suspends  never
   Threads   any
   Lifetime  until the next call that fails there, or the end of the task or callback */
COIR_C_API const char *coir_last_error(void);
/* "0.1.0": of the library that is loaded. Suspends: never. Threads: any. */
COIR_C_API const char *coir_version(void);

/* ---- Tasks ------------------------------------------------------------------------------------------------------- */

/* Makes a loop, runs fn(data) in it as a task, cancels and drains what it leaves behind, and closes the loop. Inside a
   task it just calls fn: a library that uses it works unchanged in a program that has a loop.
   Result    *result is what fn returned, COIR_ECANCELED included.
   Suspends  as fn does; outside of a task it blocks
   Errors    COIR_EINTR after SIGINT, which cancels fn; COIR_EDEADLK; COIR_EFAILED; COIR_EUSAGE in a callback of a
             loop; what the system says if there are no descriptors
   Threads   any
   Source    CPython 3.13 runners.py run */
#define coir_run(fn, data, result) coir_run_at(fn, data, result, __FILE__, __LINE__)
COIR_C_API int coir_run_at(coir_fn fn, void *data, int *result, const char *file, unsigned line);

/* Starts fn(data) as a task of the running loop, in the next turn, behind all that is ready. Also from a callback of
   the loop and, in guest mode, of its host.
   Result    *task is to be joined or detached, once. NULL: detached at once.
   Suspends  never
   Errors    COIR_EUSAGE where no loop runs, COIR_ENOMEM
   Lifetime  data must live until the task has ended; the loop keeps the task alive
   Cost      two allocations; with NULL one
   Source    CPython 3.13 tasks.py create_task */
#define coir_spawn(fn, data, task) coir_spawn_at(fn, data, task, __FILE__, __LINE__)
COIR_C_API int coir_spawn_at(coir_fn fn, void *data, coir_task *task, const char *file, unsigned line);
/* Waits until the task has ended, and uses the handle up.
   Result    *result is what its body returned; COIR_ECANCELED: it ended cancelled. So the cancellation of the task
             that is joined and of the one that joins are told apart, which in asyncio they are not.
   Suspends  unless it has ended
   Errors    COIR_ESTALE; COIR_EUSAGE outside of a task, or a task joins itself; COIR_EFAILED if its body threw
   Cancel    cancels the task that is joined. On COIR_ECANCELED the handle is still valid: join or detach it. */
COIR_C_CHECKED int coir_join(coir_task task, int *result);
/* Asks the task to end: one of its calls returns COIR_ECANCELED. Before its first step the body is never entered. It
   may need more turns to clean up: join it to wait for that. A detached task can be cancelled, too.
   Result    1 if it was asked, 0 if it had ended
   Suspends  never
   Errors    COIR_ESTALE; COIR_EUSAGE where no loop runs
   Source    CPython 3.13 tasks.py Task.cancel */
COIR_C_API int coir_cancel(coir_task task);
/* Uses the handle up without waiting: the task goes on, and what it returns is dropped.
   Suspends  never
   Errors    COIR_ESTALE; COIR_EUSAGE where no loop runs */
COIR_C_API int coir_detach(coir_task task);
/* The task that runs now, to be cancelled or named by others of this loop; 0 if none does. Suspends: never. */
COIR_C_API coir_task coir_current_task(void);
/* The task's name, "Task-1" unless it was given one, for reports and call graphs. 0 is the running task.
   Suspends  never
   Errors    COIR_ESTALE; COIR_EUSAGE where no task runs; COIR_EINVAL if the buffer is too small, which then has the
             beginning */
COIR_C_API int coir_task_get_name(coir_task task, char *buffer, size_t size);
/* Sets it; the name is copied. Suspends: never. Errors: as above. */
COIR_C_API int coir_task_set_name(coir_task task, const char *name);

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

/* Lets others run for that long. Zero or less: exactly one turn, as coir_yield().
   Suspends  always
   Errors    COIR_ECANCELED; COIR_EUSAGE outside of a task; COIR_EINVAL for NaN
   Source    CPython 3.13 tasks.py sleep */
COIR_C_CHECKED int coir_sleep(double seconds);
/* Lets all that is ready run once. Suspends: always. Errors: COIR_ECANCELED; COIR_EUSAGE outside of a task. */
COIR_C_CHECKED int coir_yield(void);
/* Returns when the descriptor can be read from (written to) without blocking: data, end of file, or an error to be
   read.
   Suspends  always, at least until the loop polls
   Errors    COIR_ECANCELED; COIR_ETIMEDOUT; COIR_EUSAGE outside of a task; COIR_EBUSY if another task waits for the
             same descriptor and direction; -EBADF, -EPERM (a regular file) and what else epoll_ctl(2) says
   Lifetime  The descriptor must stay open until this returns. Afterwards it may be closed.
   Cost      as coir::await_readable(); a timeout is a timer more */
COIR_C_CHECKED int coir_await_readable(int fd, double timeout);
COIR_C_CHECKED int coir_await_writable(int fd, double timeout);
/* Runs fn(data) on a thread of the loop's executor: for what blocks.
   Result    *result is what fn returned.
   Suspends  always
   Errors    COIR_ECANCELED; COIR_EUSAGE outside of a task; COIR_EFAILED if fn threw
   Cancel    fn is skipped if it has not begun. If it has, COIR_ECANCELED comes when it has returned: data may be on the
             stack. asyncio's to_thread() leaves it alone.
   Source    CPython 3.13 threads.py to_thread */
COIR_C_CHECKED int coir_run_blocking(coir_fn fn, void *data, int *result);

/* ---- Completions: an API that calls back, on any thread ----------------------------------------------------------

       static void on_answer(int status, void *answer, void *user) {                // the callback of the API
         coir_completion_complete((coir_completion)user, status, answer);
       }
       static int ask(struct api *api, const char *question, void **answer) {       // a plain function, in any task
         coir_completion done;
         int status, rc = coir_completion_new(&done);
         if (rc < 0) return rc;
         api_ask(api, question, on_answer, (void *)done);
         rc = coir_completion_wait(done, 5.0, &status, answer);
         if (rc < 0) coir_completion_drop(done, NULL);                              // what still comes is refused
         return rc < 0 ? rc : status;
       }
*/

/* A promise that somebody calls coir_completion_complete() once. It ends with a wait that got its value, with
   coir_completion_drop(), or with the loop.
   Suspends  never
   Errors    COIR_EUSAGE where no loop runs, COIR_ENOMEM
   Cost      two or three allocations (recycled) */
#define coir_completion_new(completion) coir_completion_new_at(completion, __FILE__, __LINE__)
COIR_C_API int coir_completion_new_at(coir_completion *completion, const char *file, unsigned line);
/* Wakes whoever waits, in a later turn of the loop. The first call wins; each other one does no harm, and its value
   stays the caller's.
   Suspends  never
   Errors    COIR_EALREADY; COIR_ESTALE if nobody waits any more: it has been waited for or dropped, or the loop is
             closed
   Threads   any, not inside a signal handler
   Cost      on the loop's thread none to speak of; else that of coir_call_soon_threadsafe() without the allocation */
COIR_C_API int coir_completion_complete(coir_completion completion, int status, void *value);
/* Waits for the completion. If it got one, the completion is used up.
   Suspends  unless it is completed, or the timeout is 0, which just looks
   Errors    COIR_ECANCELED, also if another task drops it; COIR_ETIMEDOUT; COIR_ESTALE; COIR_EBUSY if another task
             waits in it; COIR_EUSAGE outside of a task
   Cancel    After COIR_ECANCELED and COIR_ETIMEDOUT the completion is still there. If the API uses memory of yours,
             ask it to stop and wait again; else drop it. */
COIR_C_CHECKED int coir_completion_wait(coir_completion completion, double timeout, int *status, void **value);
/* Ends it: from here on coir_completion_complete() is refused. A task that waits in it gets COIR_ECANCELED.
   Result    0, or 1 if it was completed and nobody has got the value: that is *value then, for you to free
   Suspends  never
   Errors    COIR_ESTALE, which does no harm: dropping twice, or behind a wait; COIR_EUSAGE where no loop runs */
COIR_C_API int coir_completion_drop(coir_completion completion, void **value);

/* ---- Loops ------------------------------------------------------------------------------------------------------- */

/* The loop that runs on this thread, for other threads to call; 0 if none does. Suspends: never. */
COIR_C_API coir_loop coir_get_running_loop(void);
/* Runs fn(data) on the loop's thread, in the next turn, behind all that is ready. It must not suspend, but may
   coir_spawn().
   Suspends  never
   Errors    COIR_ECLOSED, COIR_ENOMEM; COIR_EINVAL for what is no loop
   Threads   any, not inside a signal handler
   Cost      one allocation, a lock, and a write(2) if the loop sleeps
   Source    CPython 3.13 base_events.py call_soon_threadsafe */
COIR_C_API int coir_call_soon_threadsafe(coir_loop loop, coir_callback fn, void *data);

/* A loop as the guest of the program's own one, which watches coir_loop_backend_fd() for reading, level-triggered, and
   calls coir_loop_pump() while it is readable. That is all: it needs no timer.
   Suspends  No function of a guest does: call them outside of tasks, on one thread.
   Errors    of all of them: COIR_ECLOSED once it is freed, COIR_EINVAL for what is no loop; and as said below */
COIR_C_API int coir_loop_new(coir_loop *loop);
/* From here on the loop counts as running on this thread: coir_spawn() and the like work in the host's own callbacks.
   hold      may be NULL; hold(data, 1): the loop has something to do, hold(data, 0): it has not. For hosts that end by
             themselves when nothing is left to do. First called from here.
   Errors    COIR_EUSAGE if a loop runs on this thread, or this one does elsewhere */
COIR_C_API int coir_loop_attach(coir_loop loop, void (*hold)(void *data, int wanted), void *data);
/* The descriptor, which is the loop's: poll it, never read or close it. */
COIR_C_API int coir_loop_backend_fd(coir_loop loop);
/* For hosts that cannot watch a descriptor: *seconds from now the pump is due, 0 at once, COIR_FOREVER never. */
COIR_C_API int coir_loop_next_timeout(coir_loop loop, double *seconds);
/* Runs what is ready, without blocking, for at most some 5 ms.
   Result    how many callbacks and steps of tasks ran
   Errors    COIR_EUSAGE if it is not attached, or on another thread */
COIR_C_API int coir_loop_pump(coir_loop loop);
/* Cancels all tasks and runs them until they have ended, for at most `limit` seconds; those that are left are reported.
   Errors    COIR_EUSAGE if it is not attached, inside of coir_loop_pump(), or on another thread */
COIR_C_API int coir_loop_detach(coir_loop loop, double limit);
/* Detaches it, if that has not happened, with a limit of 5 s, and closes it. Errors: as coir_loop_detach(). */
COIR_C_API int coir_loop_free(coir_loop loop);

#ifdef __cplusplus
}
#endif
