// Thread-local storage of the Swift runtime (a few words, zero at first) without the dynamic linker's: that allocates a
// thread's storage when the thread first asks for it, and ends the process when there is no memory. A library that
// is loaded by dlopen cannot have it before. On x86-64 calls of __tls_get_addr in libsoniq.so come here (--wrap in
// Package.swift), on AArch64 descriptors of variables lead here (tls_descriptors.c).
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reserve.h"
#include "thread_storage.h"

enum { STORAGE_BYTES = 64, STORAGES = 1024 };

typedef struct storage {
  char bytes[STORAGE_BYTES];
  struct storage *next;
} storage;

static storage storages[STORAGES];
static storage *unused;
static unsigned taken;
static pthread_key_t key;
static bool hasKey;

static void give(void *memory) {
  storage *own = memory;
  snq_reserve_lock();
  own->next = unused;
  unused = own;
  snq_reserve_unlock();
}

__attribute__((constructor(101))) static void start(void) {
  hasKey = pthread_key_create(&key, give) == 0;
#ifdef __aarch64__
  if (hasKey) snq_tls_take_descriptors(STORAGE_BYTES);
#endif
}

__attribute__((destructor(101))) static void stop(void) {
  if (hasKey) pthread_key_delete(key);
  hasKey = false;
}

static storage *take(void) {
  snq_reserve_lock();
  storage *own = unused;
  if (own)
    unused = own->next;
  else if (taken < STORAGES)
    own = &storages[taken++];
  snq_reserve_unlock();
  if (own) memset(own->bytes, 0, sizeof own->bytes);
  return own;
}

void *snq_thread_storage(size_t offset) {
  if (!hasKey || offset >= STORAGE_BYTES) return NULL;
  storage *own = pthread_getspecific(key);
  if (own) return own->bytes + offset;
  if (!(own = take())) return NULL;
  if (pthread_setspecific(key, own) == 0) return own->bytes + offset;
  give(own);
  return NULL;
}

// On AArch64 nothing calls it: the library would not link.
#ifdef __x86_64__
// The dynamic linker's names for a thread-local variable: the library, and the place in its storage.
typedef struct {
  unsigned long module;
  unsigned long offset;
} tls_index;

// Weak: see wrapped.c.
extern __attribute__((weak)) void *__real___tls_get_addr(const tls_index *index);

void *__wrap___tls_get_addr(const tls_index *index);
void *__wrap___tls_get_addr(const tls_index *index) {
  void *own = snq_thread_storage(index->offset);
  return own ? own : __real___tls_get_addr(index);
}
#endif
