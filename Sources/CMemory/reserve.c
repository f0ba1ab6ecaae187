#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reserve.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "reserve_blocks.h"
#include "reserve_internal.h"

struct snq_reserve {
  snq_reserve *next;
  size_t length;  // mapped, this header included
  pthread_t owner;
  bool isOpen;  // the call that took it goes on
  snq_blocks blocks;
};

enum { POOL_BYTES = 1 << 20, POOL_BLOCK_LIMIT = 1 << 16, MORE_BYTES = 1 << 20, PATIENCE = 10000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static snq_reserve *reserves;  // the newest first
static snq_blocks pool;
static char pool_memory[POOL_BYTES] __attribute__((aligned(4096)));
static size_t mapped_count, served_count;

size_t snq_reserve_live;

void snq_reserve_lock(void) { pthread_mutex_lock(&lock); }
void snq_reserve_unlock(void) { pthread_mutex_unlock(&lock); }

// Takes memory for the calling thread; the lock is held.
static snq_reserve *map_reserve(size_t byteCount) {
  size_t length = byteCount + sizeof(snq_reserve);
  if (length < byteCount || length > SIZE_MAX - 4096) return NULL;
  length = (length + 4095) / 4096 * 4096;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  snq_reserve *reserve = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (reserve == MAP_FAILED) return NULL;
  reserve->length = length;
  reserve->owner = pthread_self();
  reserve->isOpen = true;
  size_t header = (sizeof(snq_reserve) + 63) / 64 * 64;
  snq_blocks_start(&reserve->blocks, (char *)reserve + header, length - header);
  reserve->next = reserves;
  reserves = reserve;
  mapped_count++;
  return reserve;
}

static void remove_reserve(snq_reserve *reserve) {
  snq_reserve **link = &reserves;
  while (*link != reserve) link = &(*link)->next;
  *link = reserve->next;
  mapped_count--;
  munmap(reserve, reserve->length);
}

snq_reserve *snq_reserve_begin(size_t byteCount) {
  snq_reserve_lock();
  snq_reserve *reserve = map_reserve(byteCount);
  snq_reserve_unlock();
  return reserve;
}

void snq_reserve_end(snq_reserve *reserve) {
  pthread_t self = pthread_self();
  snq_reserve_lock();
  bool isLast = false;
  for (snq_reserve *next, *each = reserves; each && !isLast; each = next) {
    next = each->next;
    isLast = each == reserve;
    if (!each->isOpen || !pthread_equal(each->owner, self)) continue;
    each->isOpen = false;
    if (each->blocks.live == 0) remove_reserve(each);
  }
  snq_reserve_unlock();
}

static snq_reserve *newest(pthread_t owner) {
  snq_reserve *each = reserves;
  while (each && !(each->isOpen && pthread_equal(each->owner, owner))) each = each->next;
  return each;
}

bool snq_reserve_grow(size_t byteCount) {
  snq_reserve_lock();
  bool isEnough = !newest(pthread_self()) || map_reserve(byteCount) != NULL;
  snq_reserve_unlock();
  return isEnough;
}

void snq_reserve_counts(size_t *mapped, size_t *served) {
  snq_reserve_lock();
  *mapped = mapped_count;
  *served = served_count;
  snq_reserve_unlock();
}

// From any of the thread's reserves, or one more, or the pool.
static void *take(size_t size, size_t alignment) {
  pthread_t self = pthread_self();
  bool isCall = false;
  for (snq_reserve *each = reserves; each; each = each->next) {
    if (!each->isOpen || !pthread_equal(each->owner, self)) continue;
    isCall = true;
    void *memory = snq_blocks_allocate(&each->blocks, size, alignment);
    if (memory) return memory;
  }
  if (isCall && size <= SIZE_MAX / 4 && alignment <= SIZE_MAX / 4) {
    snq_reserve *more = map_reserve(MORE_BYTES + 2 * (size + alignment));
    if (more) return snq_blocks_allocate(&more->blocks, size, alignment);
  }
  if (size > POOL_BLOCK_LIMIT) return NULL;
  if (!pool.start) snq_blocks_start(&pool, pool_memory, sizeof pool_memory);
  return snq_blocks_allocate(&pool, size, alignment);
}

void *snq_reserve_take(size_t size, size_t alignment) {
  if (size == 0) size = 1;
  // Others who use the pool need it for a moment only.
  for (int attempt = 0; attempt < PATIENCE; attempt++) {
    snq_reserve_lock();
    void *memory = take(size, alignment);
    if (memory) {
      served_count++;
      __atomic_fetch_add(&snq_reserve_live, 1, __ATOMIC_RELAXED);
    }
    snq_reserve_unlock();
    if (memory || size > POOL_BLOCK_LIMIT) return memory;
    sched_yield();
  }
  return NULL;
}

// The lock is held.
static snq_reserve *holder(const void *memory) {
  snq_reserve *each = reserves;
  while (each && !snq_blocks_hold(&each->blocks, memory)) each = each->next;
  return each;
}

static bool is_pooled(const void *memory) { return pool.start && snq_blocks_hold(&pool, memory); }

bool snq_reserve_holds(const void *memory) {
  snq_reserve_lock();
  bool isHeld = is_pooled(memory) || holder(memory);
  snq_reserve_unlock();
  return isHeld;
}

bool snq_reserve_give(void *memory) {
  snq_reserve_lock();
  snq_reserve *reserve = is_pooled(memory) ? NULL : holder(memory);
  bool isHeld = reserve || is_pooled(memory);
  if (isHeld) {
    snq_blocks_free(reserve ? &reserve->blocks : &pool, memory);
    __atomic_fetch_sub(&snq_reserve_live, 1, __ATOMIC_RELAXED);
    if (reserve && !reserve->isOpen && reserve->blocks.live == 0) remove_reserve(reserve);
  }
  snq_reserve_unlock();
  return isHeld;
}
