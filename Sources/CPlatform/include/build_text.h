// Text that lives as long as the library, and the compiler's name.
#ifndef SONIQ_BUILD_TEXT_H
#define SONIQ_BUILD_TEXT_H

enum { SNQ_TEXT_VERSION, SNQ_TEXT_BUILD, SNQ_TEXT_FEATURES, SNQ_TEXT_COUNT, SNQ_TEXT_CAPACITY = 512 };

// Storage for one SNQ_TEXT_*, zeroed at load. Each is written once, by a lazy global of its user.
static inline char *snq_static_text(int which) {
  static char text[SNQ_TEXT_COUNT][SNQ_TEXT_CAPACITY];
  return text[which];
}

// The compiler of this library.
static inline const char *snq_compiler_name(void) { return __VERSION__; }

#endif
