/* SPDX-License-Identifier: MIT */
/* Tasks in C: a callback API of another thread becomes a function that returns, with a timeout; a task is cancelled. */
#define _POSIX_C_SOURCE 200809L
#include <coir/coir.h>

#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* ---- a library of long ago: answers on a thread of its own, when it likes ---- */
typedef void answer_fn(int status, const char *text, void *user);
struct question {
  long milliseconds;
  answer_fn *answer;
  void *user;
};
static struct question question;

static void *think(void *unused) {
  struct timespec time = {0, question.milliseconds * 1000000};
  (void)unused;
  nanosleep(&time, NULL);
  question.answer(0, "42", question.user);
  return NULL;
}
static void library_ask(pthread_t *thread, long milliseconds, answer_fn *answer, void *user) {
  question.milliseconds = milliseconds;
  question.answer = answer;
  question.user = user;
  pthread_create(thread, NULL, think, NULL);
}

/* ---- what is new: a plain function, to be called at any depth of a task ---- */
static void on_answer(int status, const char *text, void *user) {
  /* Too late is an error code, and nothing else: `user` is a number. */
  if (coir_completion_complete((coir_completion)user, status, (void *)text) < 0) printf("the answer came too late\n");
}

static int join_thread(void *thread) { return pthread_join(*(pthread_t *)thread, NULL); }

static int ask(long milliseconds, double timeout, const char **text) {
  coir_completion done;
  pthread_t thread;
  void *value = NULL;
  int status = 0;
  int rc = coir_completion_new(&done);
  if (rc < 0) return rc;
  library_ask(&thread, milliseconds, on_answer, (void *)done);
  rc = coir_completion_wait(done, timeout, &status, &value);
  if (rc < 0) coir_completion_drop(done, NULL);
  *text = (const char *)value;
  if (rc == COIR_OK) rc = status;
  const int joined = coir_run_blocking(join_thread, &thread, NULL); /* what blocks goes to a thread of the executor */
  return rc < 0 ? rc : joined;
}

static int tick(void *unused) {
  int rc = 0;
  (void)unused;
  while (rc == COIR_OK) rc = coir_sleep(0.001);
  printf("ticker: %s\n", coir_strerror(rc));
  return rc;
}

static int example(void *unused) {
  coir_task ticker;
  const char *text;
  int result, rc = coir_spawn(tick, NULL, &ticker); /* runs beside */
  (void)unused;
  if (rc < 0) return rc;

  rc = ask(5, 10, &text);
  printf("ask: %s, %s\n", coir_strerror(rc), rc < 0 ? "nothing" : text);
  rc = ask(50, 0.005, &text);
  printf("ask: %s\n", coir_strerror(rc));

  coir_cancel(ticker);
  rc = coir_join(ticker, &result);
  printf("joined: %s\n", coir_strerror(result));
  return rc;
}

int main(void) {
  const int rc = coir_run(example, NULL, NULL);
  if (rc < 0) fprintf(stderr, "%s\n", coir_last_error());
  if (coir_sleep(1) == COIR_EUSAGE) printf("%s\n", coir_last_error());
  return rc < 0;
}
