// What the private jemalloc gets instead of the system's functions: see .ci/jemalloc-system.h. Its pages are recorded,
// so that they can be unmapped when the library is unloaded; it finds no configuration outside the library; and it
// keeps nothing for threads, since all calls of it are under one lock and share one state.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "jemalloc_system.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

static snq_mapping *own_pages;

void *sqje_system_mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  (void)protection, (void)flags, (void)descriptor, (void)offset;
  // jemalloc asks for an address only where it keeps a piece of address space for later, which it is told not to do.
  void *memory = address ? NULL : snq_mapping_add(&own_pages, length, 1);
  if (!memory) errno = ENOMEM;
  return memory ? memory : MAP_FAILED;
}

int sqje_system_munmap(void *address, size_t length) {
  return snq_mapping_remove(&own_pages, address, length) ? 0 : -1;
}

void *sqje_system_sbrk(intptr_t increment) {
  (void)increment;
  return (void *)-1;
}

char *sqje_system_getenv(const char *name) {
  (void)name;
  return NULL;
}

ssize_t sqje_system_readlink(const char *path, char *target, size_t capacity) {
  (void)path, (void)target, (void)capacity;
  errno = ENOENT;
  return -1;
}

int sqje_system_key_create(pthread_key_t *key, void (*destructor)(void *)) {
  (void)destructor;
  *key = 0;
  return 0;
}

int sqje_system_setspecific(pthread_key_t key, const void *value) {
  (void)key, (void)value;
  return 0;
}

int sqje_system_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
  (void)prepare, (void)parent, (void)child;
  return 0;
}

void snq_jemalloc_unmap(void) { snq_mapping_remove_all(&own_pages); }
