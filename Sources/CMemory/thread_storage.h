#ifndef SONIQ_THREAD_STORAGE_H
#define SONIQ_THREAD_STORAGE_H

// The dynamic linker's names for a thread-local variable: the library, and the place in its storage.
typedef struct {
  unsigned long module;
  unsigned long offset;
} snq_tls_index;

#endif
