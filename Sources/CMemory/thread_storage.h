#ifndef SONIQ_THREAD_STORAGE_H
#define SONIQ_THREAD_STORAGE_H
#include <stddef.h>

// The calling thread's variable at this place of the library's thread-local storage; NULL where the dynamic linker has to
// serve it.
void *snq_thread_storage(size_t offset);

#ifdef __aarch64__
// Makes the library's descriptors of thread-local variables lead to snq_thread_storage, which has `capacity` bytes for
// each thread. To be called before any thread has used one.
void snq_tls_take_descriptors(size_t capacity);
#endif

#endif
