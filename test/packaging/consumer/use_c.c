/* SPDX-License-Identifier: MIT */
/* A user from C. */
#include <coir/coir.h>

#include <stdio.h>

static int twice(void *number) {
  const int rc = coir_sleep(0.001);
  return rc < 0 ? rc : 2 * *(int *)number;
}

static int sum(void *unused) {
  int numbers[] = {1, 2}, results[2];
  coir_task tasks[2];
  (void)unused;
  for (int i = 0; i < 2; ++i) {
    const int rc = coir_spawn(twice, &numbers[i], &tasks[i]);
    if (rc < 0) return rc;
  }
  for (int i = 0; i < 2; ++i) {
    const int rc = coir_join(tasks[i], &results[i]);
    if (rc < 0) return rc;
  }
  return results[0] + results[1];
}

int main(void) {
  int result = 0;
  const int rc = coir_run(sum, NULL, &result);
  printf("coir %s, from C: %d\n", coir_version(), result);
  return rc == COIR_OK && result == 6 ? 0 : 1;
}
