// Thread-local storage of the Swift runtime (a few words, zero at first) without the dynamic linker's: that allocates a
// thread's storage when the thread first asks for it, and ends the process when there is no memory. A library that
// is loaded by dlopen cannot have it before. Calls of __tls_get_addr in libsoniq.so come here (--wrap in Package.swift).
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

// Weak: see wrapped.c.
extern __attribute__((weak)) void *__real___tls_get_addr(const snq_tls_index *index);

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

__attribute__((constructor(101))) static void start(void) { hasKey = pthread_key_create(&key, give) == 0; }
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

void *__wrap___tls_get_addr(const snq_tls_index *index) {
  storage *own = hasKey && index->offset < STORAGE_BYTES ? pthread_getspecific(key) : NULL;
  if (own) return own->bytes + index->offset;
  if (!hasKey || index->offset >= STORAGE_BYTES || !(own = take())) return __real___tls_get_addr(index);
  if (pthread_setspecific(key, own) == 0) return own->bytes + index->offset;
  give(own);
  return __real___tls_get_addr(index);
}
