// Waiting and pausing: what the thread pool needs and Swift cannot spell.
#ifndef SONIQ_THREADS_H
#define SONIQ_THREADS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifdef __x86_64__
#include <emmintrin.h>
#endif
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Sleeps while *word == expected, until woken; may return early.
static inline void snq_futex_wait(const uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, (const struct timespec *)0, (uint32_t *)0, 0u);
}

static inline void snq_futex_wake(const uint32_t *word, int32_t waiters) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, waiters, (const struct timespec *)0, (uint32_t *)0, 0u);
}

// Tells the core that a loop is waiting; nothing where there is no such hint.
static inline void snq_cpu_pause(void) {
#ifdef __x86_64__
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");  // `yield` does nothing on most cores; this takes some tens of cycles
#endif
}

// Monotonic time in nanoseconds.
static inline uint64_t snq_clock_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

// Names the calling thread for debuggers and top; at most 15 characters.
static inline void snq_thread_name(const char *name) {
  syscall(SYS_prctl, 15 /* PR_SET_NAME */, name, 0ul, 0ul, 0ul);
}

// CPUs that the calling thread may run on, or 0 when the system does not say. Knows up to 8192 CPUs.
static inline int32_t snq_affinity_cpu_count(void) {
  uint64_t mask[128];
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  if (bytes <= 0) return 0;
  int32_t count = 0;
  for (long index = 0; index < bytes / 8; index++) count += __builtin_popcountll(mask[index]);
  return count;
}

#endif
