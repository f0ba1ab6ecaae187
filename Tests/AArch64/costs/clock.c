// Preloaded into a program: its clock counts instructions (see instruction_clock.c), 6.25 in a nanosecond, as a core of
// 2.5 GHz that executes 2.5 in a cycle has.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ASKING = 4000 };

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int file = -1;
  uint64_t count = 0;
  (void)clock;
  syscall(ASKING);
  if (file < 0) file = open(getenv("INSTRUCTION_CLOCK"), O_RDONLY);
  if (pread(file, &count, sizeof count, 0) != sizeof count) abort();
  count = count * 4 / 25;
  now->tv_sec = (time_t)(count / 1000000000);
  now->tv_nsec = (long)(count % 1000000000);
  return 0;
}
