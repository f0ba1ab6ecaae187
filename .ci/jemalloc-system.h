/* Included before every source file of the private jemalloc: names of the system that Sources/CMemory answers in
   its place (and says why). Only names: the system's headers then declare the functions under the new ones. */
#define mmap sqje_system_mmap
#define munmap sqje_system_munmap
#define sbrk sqje_system_sbrk
#define secure_getenv sqje_system_getenv
#define readlink sqje_system_readlink
#define pthread_key_create sqje_system_key_create
#define pthread_setspecific sqje_system_setspecific
#define pthread_atfork sqje_system_atfork
/* One state for all threads, which never use jemalloc at the same time. */
#define __thread
