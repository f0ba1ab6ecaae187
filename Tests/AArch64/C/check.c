#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint64_t state;
static uint32_t turns;

static const kernel *tested;
static uint64_t seed, hash;
static uint32_t case_number;
static long failed;
static int case_failed, begins_at_guard;
static char description[400];

// --- Cases ---

// One step of FNV-1a, for words as well as for bytes.
static uint64_t hashed(uint64_t sum, uint32_t word) { return (sum ^ word) * 1099511628211u; }
static const uint64_t hash_start = 14695981039346656037u;

void begin_kernel(const kernel *kernel, uint64_t with_seed) {
  tested = kernel;
  seed = with_seed;
  hash = hash_start;
  failed = 0;
}

void begin_case(uint32_t number) {
  uint64_t start = hash_start;
  const char *letter;
  int i;
  for (letter = tested->name; *letter; letter++) start = hashed(start, (unsigned char)*letter);
  start = hashed(hashed(start, (uint32_t)seed), (uint32_t)(seed >> 32));
  state = hashed(start, number) | 1;
  for (i = 0; i < 4; i++) below(2);
  case_number = turns = number;
  case_failed = 0;
  begins_at_guard = one_in(4);
  description[0] = 0;
}

void describe(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(description, sizeof description, format, arguments);
  va_end(arguments);
}

void complain(const char *format, ...) {
  va_list arguments;
  if (case_failed) return;
  case_failed = 1;
  if (failed++ >= 3) return;
  printf("%s case %u of seed %llu, %s: ", tested->name, case_number, (unsigned long long)seed, description);
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
}

long failed_cases(void) { return failed; }
uint64_t hash_of_results(void) { return hash; }

// --- Numbers ---

static uint32_t next_bits(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)(state * 2685821657736338717u >> 32);
}

uint32_t below(uint32_t count) { return (uint32_t)((uint64_t)next_bits() * count >> 32); }
uint32_t between(uint32_t least, uint32_t most) { return least + below(most - least + 1); }
int one_in(uint32_t count) { return below(count) == 0; }

uint32_t in_turn(uint32_t choices) {
  const uint32_t choice = turns % choices;
  turns /= choices;
  return choice;
}

uint32_t draw_length(void) {
  static const uint32_t whole[] = {64, 128, 131, 256, 384};
  return one_in(8) ? whole[below(5)] : between(1, 70);
}

uint32_t rounded_up(uint32_t number, uint32_t multiple) { return (number + multiple - 1) / multiple * multiple; }

static float real_of_bits(uint32_t bits) {
  float number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

// What functions treat in a way of its own, and what is near it.
static const float extremes[] = {
    0,        -0.0f,         1,         -1,        0.99999994f, 1.0000001f,    1e-45f, -1e-45f,   1.17549435e-38f,
    1e-30f,   -1e-30f,       0.5f,      -0.5f,     1.5f,        2.5f,          -2.5f,  5.25f,     -5.25f,
    0.625f,   88.37f,        -88.37f,   -87.33f,   100,         -100,          -104,   16384,     16385,
    1e5f,     -1e5f,         1e9f,      -1e9f,     3e38f,       -3e38f,        20,     2147483648.f, -2147483648.f,
    4294967296.f};

enum contents draw_contents(void) { return one_in(4) ? (enum contents)below(CONTENTS) : ORDINARY; }

float draw_real(enum contents contents) {
  static const uint32_t not_finite[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000};
  const float ordinary = (float)((double)(int32_t)next_bits() / 715827882.0);
  switch (contents) {
    case TINY: return ordinary * 1e-39f;
    case LARGE: return ordinary * 1e38f;
    case EXTREMES: return extremes[below(sizeof extremes / sizeof extremes[0])];
    case NOT_FINITE: return one_in(3) ? real_of_bits(not_finite[below(5)]) : ordinary;
    case ALL_NAN: return real_of_bits(0x7fc00000);
    case ZEROS: return 0;
    case ANY_BITS: return real_of_bits(next_bits());
    default: return ordinary;
  }
}

uint16_t draw_half(enum contents contents) {
  static const uint16_t not_finite[] = {0x7e00, 0xfe00, 0x7c01, 0x7c00, 0xfc00};
  const uint32_t bits = next_bits() & 0xffff;
  // A sixteenth to two.
  const uint32_t ordinary = (bits & 0x83ff) | between(11, 15) << 10;
  switch (contents) {
    case TINY: return (uint16_t)(bits & 0x83ff);
    case LARGE: return (uint16_t)((bits & 0x83ff) | 30 << 10);
    case NOT_FINITE: return one_in(3) ? not_finite[below(5)] : (uint16_t)ordinary;
    case ALL_NAN: return 0x7e00;
    case ZEROS: return 0;
    case EXTREMES:
    case ANY_BITS: return (uint16_t)bits;
    default: return (uint16_t)ordinary;
  }
}

// --- Memory ---

// An area lies between two guards; a piece of memory takes one end of it, and the bytes beside it are checked.
enum { AREAS = 48, AREA_BYTES = 1 << 22, GUARD_BYTES = 1 << 16, CHECKED_BYTES = 64 };
typedef struct {
  uint8_t *memory, *start, *end;
} area;
static area areas[AREAS];
static int used_areas;

static area *new_area(void) {
  area *fresh = &areas[used_areas];
  if (used_areas++ == AREAS) abort();
  if (!fresh->memory) {
    uint8_t *mapping =
        mmap(NULL, AREA_BYTES + 2 * GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED || mprotect(mapping, GUARD_BYTES, PROT_NONE) ||
        mprotect(mapping + GUARD_BYTES + AREA_BYTES, GUARD_BYTES, PROT_NONE)) {
      perror("guarded memory");
      exit(3);
    }
    fresh->memory = mapping + GUARD_BYTES;
  }
  return fresh;
}

void *room(size_t bytes, size_t alignment) {
  area *fresh = new_area();
  const size_t body = (bytes + alignment - 1) / alignment * alignment;
  if (body + CHECKED_BYTES > AREA_BYTES) abort();
  fresh->start = begins_at_guard ? fresh->memory : fresh->memory + AREA_BYTES - body;
  fresh->end = fresh->start + bytes;
  if (begins_at_guard) {
    memset(fresh->start, NOISE, bytes + CHECKED_BYTES);
  } else {
    memset(fresh->start - CHECKED_BYTES, NOISE, CHECKED_BYTES + body);
  }
  return fresh->start;
}

static int is_intact(const area *given) {
  const uint8_t *last = given->memory + AREA_BYTES, *byte;
  const uint8_t *first = given->start == given->memory ? given->start : given->start - CHECKED_BYTES;
  if (last > given->end + CHECKED_BYTES) last = given->end + CHECKED_BYTES;
  for (byte = first; byte < given->start; byte++)
    if (*byte != NOISE) return 0;
  for (byte = given->end; byte < last; byte++)
    if (*byte != NOISE) return 0;
  return 1;
}

void end_case(void) {
  while (used_areas) {
    if (!is_intact(&areas[--used_areas])) complain("wrote outside its memory");
  }
}

void *zeros(size_t bytes, size_t alignment) { return memset(room(bytes, alignment), 0, bytes); }
void *copy_of(const void *bytes, size_t count) { return memcpy(room(4 * count, 4), bytes, 4 * count); }

float *reals(size_t count, enum contents contents) {
  float *numbers = room(4 * count, 4);
  size_t i;
  for (i = 0; i < count; i++) numbers[i] = draw_real(contents);
  return numbers;
}

uint16_t *halves(size_t count, enum contents contents) {
  uint16_t *numbers = room(2 * count, 2);
  size_t i;
  for (i = 0; i < count; i++) numbers[i] = draw_half(contents);
  return numbers;
}

int32_t *integers(size_t count, int32_t least, int32_t most) {
  int32_t *numbers = room(4 * count, 4);
  size_t i;
  for (i = 0; i < count; i++) numbers[i] = least + (int32_t)below((uint32_t)(most - least) + 1);
  return numbers;
}

uint8_t *codes_of_bits(size_t count, uint32_t bits) {
  uint8_t *codes = room(count, 1);
  size_t i;
  for (i = 0; i < count; i++) codes[i] = (uint8_t)(next_bits() >> (32 - bits));
  return codes;
}

uint32_t *draw_order(uint32_t count) {
  const uint32_t kind = below(4), turn = below(count);
  uint32_t *order, i, place = 0;
  if (kind == 3) return NULL;
  order = room(4 * (size_t)count, 4);
  for (i = 0; i < count; i++) order[i] = kind == 2 ? (i + turn) % count : i;
  if (kind == 0) {
    for (i = count; i > 1; i--) {
      const uint32_t other = below(i), moved = order[i - 1];
      order[i - 1] = order[other];
      order[other] = moved;
    }
  } else if (kind == 1) {
    for (i = 0; i < count; i++)
      if (i % 5) order[place++] = i;
    for (i = 0; i < count; i += 5) order[place++] = i;
  }
  return order;
}

// --- Results ---

static uint32_t bits_of(float number) {
  uint32_t bits;
  // Sign and payload are the machine's own.
  if (number != number) return 0x7fc00000;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

void compare_reals(const char *what, const float *expected, const float *actual, size_t count) {
  size_t i;
  for (i = 0; i < count; i++) hash = hashed(hash, bits_of(expected[i]));
  for (i = 0; tested->function && i < count; i++) {
    if (bits_of(expected[i]) == bits_of(actual[i])) continue;
    complain("%s %zu is %a, must be %a", what, i, (double)actual[i], (double)expected[i]);
    return;
  }
}

void compare_bytes(const char *what, const void *expected, const void *actual, size_t count) {
  const uint8_t *expected_bytes = expected, *actual_bytes = actual;
  size_t i;
  for (i = 0; i < count; i++) hash = hashed(hash, expected_bytes[i]);
  for (i = 0; tested->function && i < count; i++) {
    if (expected_bytes[i] == actual_bytes[i]) continue;
    complain("%s, byte %zu is %u, must be %u", what, i, actual_bytes[i], expected_bytes[i]);
    return;
  }
}
