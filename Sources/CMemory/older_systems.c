// The library runs with glibc 2.34 and the C++ library of GCC 11. What Swift's standard library asks of newer ones is
// answered here.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Its overlay of the C library refers to a newer version of hypotf, which nothing here calls: `--wrap` in Package.swift
// puts the first one of the architecture in its place.
#ifdef __x86_64__
#define FIRST_VERSION "GLIBC_2.2.5"
#else
#define FIRST_VERSION "GLIBC_2.17"
#endif

float hypotf_before_2_35(float x, float y);
__asm__(".symver hypotf_before_2_35, hypotf@" FIRST_VERSION);

float __wrap_hypotf(float x, float y);
float __wrap_hypotf(float x, float y) { return hypotf_before_2_35(x, y); }

// Where it was built with glibc 2.38 or later, reading numbers has other names: binary ones are known there too, which
// it reads nowhere.
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN long __isoc23_strtol(const char *text, char **end, int base);
HIDDEN long __isoc23_strtol(const char *text, char **end, int base) { return strtol(text, end, base); }

HIDDEN long long __isoc23_strtoll(const char *text, char **end, int base);
HIDDEN long long __isoc23_strtoll(const char *text, char **end, int base) { return strtoll(text, end, base); }

HIDDEN int __isoc23_sscanf(const char *text, const char *format, ...);
HIDDEN int __isoc23_sscanf(const char *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int count = vsscanf(text, format, arguments);
  va_end(arguments);
  return count;
}

HIDDEN size_t strlcpy(char *target, const char *source, size_t size);
HIDDEN size_t strlcpy(char *target, const char *source, size_t size) {
  size_t length = strlen(source);
  if (size > 0) {
    size_t copied = length < size ? length : size - 1;
    memcpy(target, source, copied);
    target[copied] = 0;
  }
  return length;
}

// Built with the checks of GCC 12's C++ library: what these call when one fails.
HIDDEN _Noreturn void snq_assertion_failed(void) __asm__("_ZSt21__glibcxx_assert_failPKciS0_S0_");
HIDDEN _Noreturn void snq_assertion_failed(void) { abort(); }
