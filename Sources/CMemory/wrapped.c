// The allocation functions that libsoniq.so is linked with in the place of the C library's (--wrap in Package.swift).
// They call the real ones and turn to the reserve where those have nothing to give. Other products use none of this.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reserve.h"
#include "reserve_blocks.h"
#include "reserve_internal.h"

// Weak: products that are linked without --wrap do not have them, and call none of the functions below.
#define REAL extern __attribute__((weak))
REAL void *__real_malloc(size_t size);
REAL void *__real_calloc(size_t count, size_t size);
REAL void *__real_realloc(void *memory, size_t size);
REAL int __real_posix_memalign(void **memory, size_t alignment, size_t size);
REAL void __real_free(void *memory);
REAL size_t __real_malloc_usable_size(void *memory);
REAL void *__real__Znwm(size_t size);
REAL void __real__ZdlPvm(void *memory, size_t size);
REAL void __real__ZdlPvmSt11align_val_t(void *memory, size_t size, size_t alignment);
// operator new(size_t, std::nothrow) and its alignment's kin, and std::nothrow.
REAL void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
REAL void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow);
REAL const char _ZSt7nothrow;

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

void *snq_allocate(size_t byteCount) { return __real_malloc ? __real_malloc(byteCount) : malloc(byteCount); }

void snq_release(void *memory) {
  if (__real_free)
    __real_free(memory);
  else
    free(memory);
}

static bool is_ours(const void *memory) {
  return __builtin_expect(__atomic_load_n(&snq_reserve_live, __ATOMIC_RELAXED) != 0, 0) && memory &&
         snq_reserve_holds(memory);
}

void *__wrap_malloc(size_t size) {
  void *memory = __real_malloc(size);
  return LIKELY(memory) ? memory : snq_reserve_take(size, 16);
}

void *__wrap_calloc(size_t count, size_t size) {
  void *memory = __real_calloc(count, size);
  size_t byteCount;
  if (LIKELY(memory) || __builtin_mul_overflow(count, size, &byteCount)) return memory;
  memory = snq_reserve_take(byteCount, 16);
  return memory ? memset(memory, 0, byteCount) : NULL;
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
  int status = __real_posix_memalign(memory, alignment, size);
  if (LIKELY(status != ENOMEM)) return status;
  void *reserved = snq_reserve_take(size, alignment);
  if (!reserved) return status;
  *memory = reserved;
  return 0;
}

void __wrap_free(void *memory) {
  if (is_ours(memory))
    snq_reserve_give(memory);
  else
    __real_free(memory);
}

size_t __wrap_malloc_usable_size(void *memory) {
  return is_ours(memory) ? snq_block_size(memory) : __real_malloc_usable_size(memory);
}

void *__wrap_realloc(void *memory, size_t size) {
  bool isOurs = is_ours(memory);
  void *moved = isOurs ? NULL : __real_realloc(memory, size);
  if (LIKELY(moved) || size == 0) {
    if (isOurs) snq_reserve_give(memory);
    return moved;
  }
  size_t former = !memory ? 0 : isOurs ? snq_block_size(memory) : __real_malloc_usable_size(memory);
  moved = __wrap_malloc(size);
  if (!moved) return NULL;
  if (memory) memcpy(moved, memory, former < size ? former : size);
  __wrap_free(memory);
  return moved;
}

char *__wrap_strdup(const char *text) {
  size_t length = strlen(text) + 1;
  char *copy = __wrap_malloc(length);
  return copy ? memcpy(copy, text, length) : NULL;
}

// operator new and delete. The C++ library's own are malloc and free under other names. A host that has replaced them is
// asked by the form that does not throw: the other would end a program of Swift where there is no memory. That form is
// not for the C++ library's own, since it throws and catches, for which a thread needs thread-local storage.
static bool isNewMalloc;

__attribute__((constructor(101))) static void start(void) {
  Dl_info info;
  isNewMalloc = __real__Znwm && dladdr((void *)__real__Znwm, &info) && info.dli_fname &&
                strstr(info.dli_fname, "libstdc++.so");
}

void *__wrap__Znwm(size_t size) {
  if (LIKELY(isNewMalloc)) return __wrap_malloc(size ? size : 1);
  void *memory = _ZnwmRKSt9nothrow_t(size, &_ZSt7nothrow);
  return LIKELY(memory) ? memory : snq_reserve_take(size, 16);
}

void *__wrap__ZnwmSt11align_val_t(size_t size, size_t alignment) {
  void *memory = NULL;
  if (LIKELY(isNewMalloc)) return __wrap_posix_memalign(&memory, alignment, size ? size : 1) == 0 ? memory : NULL;
  memory = _ZnwmSt11align_val_tRKSt9nothrow_t(size, alignment, &_ZSt7nothrow);
  return LIKELY(memory) ? memory : snq_reserve_take(size, alignment);
}

void __wrap__ZdlPvm(void *memory, size_t size) {
  if (is_ours(memory))
    snq_reserve_give(memory);
  else
    __real__ZdlPvm(memory, size);
}

void __wrap__ZdlPvmSt11align_val_t(void *memory, size_t size, size_t alignment) {
  if (is_ours(memory))
    snq_reserve_give(memory);
  else
    __real__ZdlPvmSt11align_val_t(memory, size, alignment);
}
