// SoniqMemory: arenas for models and sessions, from jemalloc or from the host's allocator.
