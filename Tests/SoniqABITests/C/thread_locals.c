// Thread-local variables of a library as Sources/CMemory serves them: each thread has its own, zero at first, without
// memory of the dynamic linker's. This file is both, the library, which is compiled with GUEST and with what serves it,
// and the program that loads it.
// usage: thread_locals GUEST
#ifdef GUEST
#include <stdint.h>

// What thread_storage.c needs of the rest of the library.
static int locked;
void snq_reserve_lock(void);
void snq_reserve_unlock(void);
void snq_reserve_lock(void) {
  while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE)) {
  }
}
void snq_reserve_unlock(void) { __atomic_store_n(&locked, 0, __ATOMIC_RELEASE); }

static __thread uint64_t large;
static __thread uint32_t small __asm__("guest_small_variable") __attribute__((used));

uint64_t *guest_large(void);
uint32_t *guest_small(void);
uint64_t *guest_large(void) { return &large; }
uint32_t *guest_small(void) { return &small; }

#ifdef __aarch64__
// Asks for the address of `small` with all registers as the first half of a table says, and writes to the second half what
// they are then: x0 to x30, of which the call has x0, x1, x29 and x30 for itself; the flags; v0 to v31. The first word of
// the second half is what it got.
__asm__(
    ".pushsection .text\n"
    ".globl guest_registers\n"
    ".type guest_registers, %function\n"
    "guest_registers:\n"
    "stp x29, x30, [sp, #-176]!\n"
    "stp x19, x20, [sp, #16]\n"
    "stp x21, x22, [sp, #32]\n"
    "stp x23, x24, [sp, #48]\n"
    "stp x25, x26, [sp, #64]\n"
    "stp x27, x28, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\n"
    "stp d10, d11, [sp, #112]\n"
    "stp d12, d13, [sp, #128]\n"
    "stp d14, d15, [sp, #144]\n"
    "str x0, [sp, #160]\n"
    "add x1, x0, #256\n"
    "ld1 {v0.2d-v3.2d}, [x1], #64\n"
    "ld1 {v4.2d-v7.2d}, [x1], #64\n"
    "ld1 {v8.2d-v11.2d}, [x1], #64\n"
    "ld1 {v12.2d-v15.2d}, [x1], #64\n"
    "ld1 {v16.2d-v19.2d}, [x1], #64\n"
    "ld1 {v20.2d-v23.2d}, [x1], #64\n"
    "ld1 {v24.2d-v27.2d}, [x1], #64\n"
    "ld1 {v28.2d-v31.2d}, [x1]\n"
    "ldr x1, [x0, #248]\n"
    "msr nzcv, x1\n"
    ".irp first, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26\n"
    "ldr x\\first, [x0, #8 * \\first]\n"
    ".endr\n"
    ".irp second, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 28\n"
    "ldr x\\second, [x0, #8 * \\second]\n"
    ".endr\n"
    "adrp x0, :tlsdesc:guest_small_variable\n"
    "ldr x1, [x0, #:tlsdesc_lo12:guest_small_variable]\n"
    "add x0, x0, #:tlsdesc_lo12:guest_small_variable\n"
    ".tlsdesccall guest_small_variable\n"
    "blr x1\n"
    "str x0, [sp, #168]\n"
    "ldr x0, [sp, #160]\n"
    "add x0, x0, #768\n"
    ".irp number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
    "str x\\number, [x0, #8 * \\number]\n"
    ".endr\n"
    "mrs x1, nzcv\n"
    "str x1, [x0, #248]\n"
    "add x1, x0, #256\n"
    "st1 {v0.2d-v3.2d}, [x1], #64\n"
    "st1 {v4.2d-v7.2d}, [x1], #64\n"
    "st1 {v8.2d-v11.2d}, [x1], #64\n"
    "st1 {v12.2d-v15.2d}, [x1], #64\n"
    "st1 {v16.2d-v19.2d}, [x1], #64\n"
    "st1 {v20.2d-v23.2d}, [x1], #64\n"
    "st1 {v24.2d-v27.2d}, [x1], #64\n"
    "st1 {v28.2d-v31.2d}, [x1]\n"
    "ldr x1, [sp, #168]\n"
    "mrs x2, tpidr_el0\n"
    "add x1, x1, x2\n"
    "str x1, [x0]\n"
    "ldp x19, x20, [sp, #16]\n"
    "ldp x21, x22, [sp, #32]\n"
    "ldp x23, x24, [sp, #48]\n"
    "ldp x25, x26, [sp, #64]\n"
    "ldp x27, x28, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\n"
    "ldp d10, d11, [sp, #112]\n"
    "ldp d12, d13, [sp, #128]\n"
    "ldp d14, d15, [sp, #144]\n"
    "ldp x29, x30, [sp], #176\n"
    "ret\n"
    ".size guest_registers, . - guest_registers\n"
    ".popsection\n");
#endif
#else
#define _GNU_SOURCE
#include "failing_memory.h"

#include <pthread.h>

enum { THREADS = 8, KEYS = 40 };

static uint64_t *(*large)(void);
static uint32_t *(*small)(void);
static void (*registers)(uint64_t *table);

// One thread's look at its variables.
typedef struct {
  uint64_t *large;
  uint32_t *small;
  int were_zero, stay;
  long allocations;
  enum failing failing;
} look;

static void *look_at_variables(void *context) {
  look *own = context;
  begin_failing(own->failing, 1);
  own->large = large();
  own->small = small();
  own->allocations = malloc_calls;
  end_failing();
  own->were_zero = *own->large == 0 && *own->small == 0;
  *own->large = (uintptr_t)own;
  *own->small = 77;
  own->stay = large() == own->large && small() == own->small && *own->large == (uintptr_t)own && *own->small == 77;
  return NULL;
}

static void *wait_and_look(void *barrier) {
  look own = {NULL, NULL, 0, 0, 0, FAIL_NOTHING};
  pthread_barrier_wait(barrier);
  look_at_variables(&own);
  // Until all others have theirs.
  pthread_barrier_wait(barrier);
  own.stay = own.stay && *large() == (uintptr_t)&own && *small() == 77;
  return own.were_zero && own.stay ? own.large : NULL;
}

static void threads_at_once(void) {
  pthread_t threads[THREADS];
  void *places[THREADS];
  pthread_barrier_t barrier;
  int round, i, other;
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (round = 0; round < 3; round++) {
    for (i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, wait_and_look, &barrier) == 0);
    for (i = 0; i < THREADS; i++) {
      CHECK(pthread_join(threads[i], &places[i]) == 0 && places[i] != NULL);
      for (other = 0; other < i; other++) CHECK(places[i] != places[other]);
    }
  }
  pthread_barrier_destroy(&barrier);
}

static void without_memory(void) {
  look own = {NULL, NULL, 0, 0, 0, FAIL_MALLOC_FROM};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, look_at_variables, &own) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(own.were_zero && own.stay && own.allocations == 0);
}

static void *keep_registers(void *context) {
  enum { flags = 31, half = 96 };
  static uint64_t table[2 * half];
  const enum failing *how = context;
  int round, i;
  // First the thread gets its storage, then it has it.
  for (round = 0; round < 3; round++) {
    for (i = 0; i < half; i++) table[i] = 0x9e3779b97f4a7c15u * (uint64_t)(i + 1 + round * half);
    table[flags] &= 0xf0000000u;
    begin_failing(round == 0 ? *how : FAIL_NOTHING, 1);
    registers(table);
    end_failing();
    for (i = 2; i <= 28; i++) CHECK(table[i] == table[half + i]);
    for (i = flags; i < half; i++) CHECK(table[i] == table[half + i]);
    CHECK((round == 0 && *how == FAIL_MALLOC_ONCE) || table[half] == (uintptr_t)small());
  }
  return NULL;
}

static void try_registers(enum failing failing) {
  pthread_t thread;
  if (registers == NULL) return;
  CHECK(pthread_create(&thread, NULL, keep_registers, &failing) == 0 && pthread_join(thread, NULL) == 0);
}

static void symbol(void *guest, const char *name, void *place) {
  void *found = dlsym(guest, name);
  memcpy(place, &found, sizeof found);
}

static void *load(const char *path) {
  void *guest = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (guest == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  symbol(guest, "guest_large", &large);
  symbol(guest, "guest_small", &small);
  symbol(guest, "guest_registers", &registers);
  return guest;
}

int main(int argc, char **argv) {
  pthread_key_t key;
  int round;
  if (argc != 2) return 2;
  for (round = 0; round < 20; round++) {
    void *guest = load(argv[1]);
    without_memory();
    threads_at_once();
    try_registers(FAIL_MALLOC_FROM);
    CHECK(dlclose(guest) == 0);
  }
  // The C library allocates for the value of a later key, and where it cannot, the dynamic linker serves the variable.
  for (round = 0; round < KEYS; round++) CHECK(pthread_key_create(&key, NULL) == 0);
  load(argv[1]);
  try_registers(FAIL_MALLOC_ONCE);
  threads_at_once();
  return check_report();
}
#endif
