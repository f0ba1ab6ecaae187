/* soniq.h - the C interface of libsoniq, and its manual.
 *
 * libsoniq runs neural networks whose weights and activations have 1 to 8 bits. It has these entry points:
 *
 *   model and session   open a .soniq file, set inputs, run, read outputs
 *   decoder, sequence   the same for language models: tokens behind texts, logits of the next ones
 *   sampler             choose the next token of a language model by its logits
 *   tokenizer           text to the ids of tokens and back, as the model's file says
 *   matrix              pack one weight matrix, multiply activations by it
 *
 * EXAMPLE (examples/c/embed.c is the long form)
 *
 *   soniq_error *error = NULL;
 *   soniq_model *model = NULL;
 *   soniq_session *session = NULL;
 *   soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
 *   if (soniq_model_open(&model, "model.soniq", &options, &error) != SONIQ_OK) goto failed;
 *   if (soniq_session_create(&session, model, NULL, &error) != SONIQ_OK) goto failed;
 *   int32_t ids[4] = {101, 7592, 2088, 102};
 *   int64_t shape[2] = {1, 4};
 *   if (soniq_session_set_input(session, 0, SONIQ_INT32, 2, shape, ids, &error) != SONIQ_OK) goto failed;
 *   if (soniq_session_run(session, &error) != SONIQ_OK) goto failed;
 *   soniq_tensor output = SONIQ_TENSOR_INIT;
 *   if (soniq_session_output(session, 0, &output, &error) != SONIQ_OK) goto failed;
 *   const float *values = (const float *)output.data;   // output.dimensions[0] x output.dimensions[1]
 *   ...
 *   failed:
 *   if (error) fprintf(stderr, "%s\n", soniq_error_message(error));
 *   soniq_error_destroy(error);                          // NULL is fine for every destroy function
 *   soniq_session_destroy(session);
 *   soniq_model_destroy(model);
 *
 * ERRORS. A function that can fail returns a soniq_status: SONIQ_OK (0) or a negative SONIQ_ERROR_*. Its
 * last parameter `soniq_error **error` may be NULL. When it is not, `*error` is always written: NULL on
 * success, else a new error object that the caller owns and gives to soniq_error_destroy. What `*error`
 * pointed to before is not freed. On failure the out-parameters before it are set to NULL or 0 (structs are
 * left as they were), and nothing else has changed unless the function says so. The library keeps no "last
 * error". It never aborts, exits, prints, throws, or installs a signal handler.
 *
 * OWNERSHIP. `T **name` as first parameter: a new object, owned by the caller, to be given to
 * soniq_T_destroy. Every other pointer that comes out is borrowed; its function says until when. Memory that
 * goes in is read or copied during the call unless the function says that it is kept.
 * soniq_T_destroy(NULL) does nothing. After destroy a handle must not be used. A handle of the wrong kind,
 * and usually one already destroyed, gives SONIQ_ERROR_INVALID_HANDLE; it is a debugging aid, no promise.
 *
 * THREADS. A handle parameter is `const` exactly when the function may be called by several threads at once
 * on the same handle. Without `const` the object belongs to one thread at a time (any thread, no affinity);
 * the host orders the calls. Models, tokenizers and matrices are immutable and shared; give each thread a session.
 * Functions without a handle may be called from any thread at any time. Callbacks run on the thread that
 * called the library unless said otherwise, and must not call functions on the object that is calling them.
 * A thread that calls the library, or runs a task of it, needs 64 KiB of stack beside what its callbacks use.
 *
 * FLOATING POINT. The thread's state (rounding, traps, denormals; MXCSR and the x87 control word, or FPCR and FPSR) may
 * be anything: results do not depend on it, nothing traps, and each function leaves it as it was, flags of exceptions included.
 * Log, progress and parallel_for find the state of the caller; `width` and an allocator may find the default one. What a
 * callback changes of it is gone when it returns.
 *
 * OPTION STRUCTS. Start from the SONIQ_..._INIT macro of the type (all zero but the first two fields), set
 * what you need. Zero always means the default. `struct_size` tells the library which header the caller was
 * compiled with: a smaller struct of an older header is accepted; a larger one of a newer header is accepted
 * when the fields that this library does not know are zero, else SONIQ_ERROR_UNSUPPORTED. `abi_version` is
 * the header's SONIQ_ABI_VERSION (0: not stated, not checked). A NULL options pointer means all defaults.
 * Result structs have `struct_size` too: set it (the INIT macro does); the library fills as many fields as
 * fit into it and never writes behind it.
 *
 * COMPATIBILITY. Semantic versioning; the SONAME changes with an incompatible ABI. Functions and constants
 * are never removed or renumbered under one SONAME, structs grow at the end only. A program compiled with
 * SONIQ_ABI_VERSION n runs with each library of the same SONAME whose soniq_abi_version() is at least n.
 * Constants come as plain integers (uint32_t), so that a value added later is an error and never undefined
 * behaviour. Reserved fields must be zero.
 *
 * TENSORS are dense and row-major (the last dimension is contiguous), in the byte order of the machine.
 * Sizes are in bytes and times in nanoseconds unless the name says otherwise. Text is UTF-8; what goes in is
 * NUL-terminated, at most 4096 bytes for a path and 1024 for a name.
 *
 * RESULTS are the same bits on every instruction set and with every number of threads.
 *
 * PROCESS. Loading the library starts no thread. A session with more than one thread starts its own threads
 * when it is created and joins them when it is destroyed. After fork() the child may use the library, but of
 * the sessions of its parent only those without threads of their own. dlclose() is safe once every object
 * is destroyed, and unmaps everything that the library has mapped; of the C library's heap the Swift runtime
 * keeps about 30 kB. The file of an open model is mapped: it must not be overwritten or truncated while the
 * model is open. Replace a model by renaming a new file over it, or open it with SONIQ_MODEL_COPY.
 *
 * MEMORY. What the size of a file or an argument decides comes from the object's arena or its allocator, is
 * counted in its statistics and given back whole. Small objects come from the C library, and so does what
 * soniq_matrix_pack needs while it packs (up to 16 bytes for each weight), and what tokenizers are made of and need
 * for a text. Weights are used where they lie in the file.
 * Where a kernel is faster with another layout, the model keeps a copy in it, made once for all sessions
 * (soniq_model_statistics.copied_weight_bytes; SONIQ_MODEL_NO_COPIES does without); a matrix does likewise.
 * Where either has nothing left, a call ends with SONIQ_ERROR_OUT_OF_MEMORY, or succeeds if it can do without; it never
 * ends the process, and what it had made is given back (but for copied weights that were complete: they stay with the
 * model). For that, calls that make objects (open, verify, create,
 * workspace_size, pack, and a multiply that needs scratch memory) first reserve address space: 1 MiB, for
 * models 64 bytes more for each byte of the tables (not of the weights), for sessions 32 KiB more for each
 * node and 2 KiB for each value of the model, for matrices 16 bytes more for each weight, for tokenizers 64 bytes for each
 * of their table, for texts a few bytes for each of theirs and about 100 for each of their longest word. It becomes memory
 * only where the C library has none. The error object of such a failure may be a constant one, without node or field. A host's allocator may fail at any call.
 *
 * ENVIRONMENT. SONIQ_MAX_ISA=portable|avx2|avx512, or portable|neon|dotprod|i8mm on AArch64, caps the instruction set of every session and matrix made
 * afterwards. Another value makes their creation fail with SONIQ_ERROR_INVALID_ARGUMENT.
 */
#ifndef SONIQ_H
#define SONIQ_H

#include <stddef.h>
#include <stdint.h>

/* Version of this header, and of the library it came with. */
#define SONIQ_VERSION_MAJOR 0
#define SONIQ_VERSION_MINOR 1
#define SONIQ_VERSION_PATCH 0

/* Grows by one with each release that adds to this header. */
#define SONIQ_ABI_VERSION 1

#if defined(__GNUC__) || defined(__clang__)
#define SONIQ_API __attribute__((visibility("default")))
#define SONIQ_CHECKED __attribute__((warn_unused_result))
#else
#define SONIQ_API
#define SONIQ_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ==== Status and errors ============================================================================== */

/* Result of a call: SONIQ_OK or one of SONIQ_ERROR_*. Values unknown to the caller can come from a newer
 * library: treat every value but SONIQ_OK as a failure. */
typedef int32_t soniq_status;

enum {
  SONIQ_OK = 0,
  /* A NULL pointer, a value out of its range, an unknown constant, text that is too long or not UTF-8. */
  SONIQ_ERROR_INVALID_ARGUMENT = -10,
  /* A handle that is of another kind or destroyed. */
  SONIQ_ERROR_INVALID_HANDLE = -11,
  /* No input, output, symbol or metadata key has this name, or none has this index. */
  SONIQ_ERROR_NOT_FOUND = -12,
  /* Memory could not be had, or a given workspace is too small. */
  SONIQ_ERROR_OUT_OF_MEMORY = -20,
  /* The operating system refused to open, read or map a file, or to start a thread. */
  SONIQ_ERROR_IO = -30,
  /* The bytes are not a well-formed model; soniq_error_offset and soniq_error_field say where. */
  SONIQ_ERROR_FORMAT = -40,
  /* A section of the file does not match its checksum. */
  SONIQ_ERROR_CHECKSUM = -41,
  /* Well-formed, but not something this library can do. */
  SONIQ_ERROR_UNSUPPORTED = -50,
  /* The file or the header is of a newer version than this library. */
  SONIQ_ERROR_VERSION = -51,
  /* The rank or a dimension does not fit the model or the limits of the session. */
  SONIQ_ERROR_SHAPE = -60,
  /* The element type is not that of the tensor. */
  SONIQ_ERROR_ELEMENT_TYPE = -61,
  /* An element of an input is out of range: a token id behind the end of its table, a code above its bits. */
  SONIQ_ERROR_DATA = -62,
  /* The call is not possible now: run before the inputs are set, output before run. */
  SONIQ_ERROR_STATE = -70,
  /* A state of the session has no room for the positions of a run. */
  SONIQ_ERROR_CAPACITY = -71,
  /* A callback of the host asked to stop. */
  SONIQ_ERROR_CANCELLED = -80,
  /* A fault of the library. Please report it. */
  SONIQ_ERROR_INTERNAL = -90
};

/* Why a call failed. Immutable: all functions on it may be called concurrently. */
typedef struct soniq_error soniq_error;

/* Name of a status without its prefix, "INVALID_ARGUMENT" say; "UNKNOWN" for other values. Static text. */
SONIQ_API const char *soniq_status_name(soniq_status status);

/* The status that the failing call returned; SONIQ_OK for NULL. */
SONIQ_API soniq_status soniq_error_status(const soniq_error *error);

/* One sentence for people on one line of at most 2048 bytes: what, where, what was expected. Control characters in
 * names of the host or of a file are written as "\n" or "\u{1b}". Its words are not part of the interface. "" for
 * NULL. Valid until the error is destroyed, like all text of an error. */
SONIQ_API const char *soniq_error_message(const soniq_error *error);

/* Name of the node, tensor or symbol that the error is about, as it is, whatever characters are in it; NULL when it
 * is about none. */
SONIQ_API const char *soniq_error_node(const soniq_error *error);

/* Name of the parameter, the option, or the field of the file that is wrong, or NULL. */
SONIQ_API const char *soniq_error_field(const soniq_error *error);

/* Byte offset in the file where the error was found, or -1 when there is none. */
SONIQ_API int64_t soniq_error_offset(const soniq_error *error);

/* Frees an error. NULL is allowed. */
SONIQ_API void soniq_error_destroy(soniq_error *error);

/* ==== Library ======================================================================================== */

/* Version of the library, "0.1.0". Static text. */
SONIQ_API const char *soniq_version(void);

/* SONIQ_ABI_VERSION of the header that the library was compiled with. */
SONIQ_API uint32_t soniq_abi_version(void);

/* Fails with SONIQ_ERROR_VERSION and an explanation when the library is too old for a program that was
 * compiled with `abi_version`, or when `abi_version` is 0. For hosts that load the library by dlopen; others
 * get the same check from the option structs. Call: soniq_require_abi(SONIQ_ABI_VERSION, &error). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_require_abi(uint32_t abi_version, soniq_error **error);

/* What the library is made of, one line: "soniq 0.1.0 (abi 1; swift 6.3; isa portable avx2 avx512; jemalloc
 * 5.3.0...)". For logs and bug reports; do not parse it. Static text. */
SONIQ_API const char *soniq_build_info(void);

/* Instruction sets that kernels exist for, oldest first. A machine that runs one runs those before it of its
 * architecture; as a maximum, one of another architecture is an error. What a
 * CPU has beside its set is used as well, kernel by kernel. */
enum {
  SONIQ_ISA_DEFAULT = 0,   /* the newest that the CPU runs */
  SONIQ_ISA_PORTABLE = 10, /* the least that the library runs on: x86-64-v2, or ARMv8.0-A */
  /* x86-64. */
  SONIQ_ISA_AVX2 = 20,     /* x86-64-v3; with AVX-VNNI where the CPU has it */
  SONIQ_ISA_AVX512 = 30,   /* x86-64-v4 and AVX-512 VNNI (Cascade Lake and later); with VPOPCNTDQ, BITALG, VBMI,
                            * VBMI2 and GFNI where the CPU has them (Ice Lake, Zen 4 and later) */
  /* AArch64. */
  SONIQ_ISA_NEON = 50,     /* Advanced SIMD, which every machine has */
  SONIQ_ISA_DOTPROD = 60,  /* the dot product of bytes (Cortex-A55 and A76, Neoverse N1 and later) */
  SONIQ_ISA_I8MM = 70      /* and the matrix product of bytes (Cortex-A510, Neoverse V1 and N2 and later) */
};

/* The newest SONIQ_ISA_* that this CPU runs. Not affected by SONIQ_MAX_ISA. */
SONIQ_API uint32_t soniq_cpu_isa(void);

/* CPU features that matter here and that this machine has, separated by spaces: "avx2 fma avx512f ...", or
 * on AArch64 "asimd asimddp i8mm ...".
 * Static text. */
SONIQ_API const char *soniq_cpu_features(void);

/* "default", "portable", "avx2", "avx512", "neon", "dotprod", "i8mm"; "unknown" for other values. Static text. */
SONIQ_API const char *soniq_isa_name(uint32_t isa);

/* ==== What the host can bring ======================================================================== */

/* Severity of a log message. */
enum {
  SONIQ_LOG_DEBUG = 10,
  SONIQ_LOG_INFO = 20,
  SONIQ_LOG_WARNING = 30
};

/* Receives a log message: `length` bytes of UTF-8 on one line, as in an error, NUL-terminated, valid during the call.
 * Without such a function nothing is logged. Never called by soniq_session_run or soniq_matrix_multiply. */
typedef void (*soniq_log_function)(void *context, uint32_t level, const char *message, size_t length);

/* Receives progress in bytes: completed = 0 first, completed = total last. Return 0 to go on,
 * anything else to stop: the call fails with SONIQ_ERROR_CANCELLED. */
typedef int32_t (*soniq_progress_function)(void *context, uint64_t completed, uint64_t total);

/* The host's memory. Both functions must be set, must be safe to call from any thread, and must outlive the
 * objects made with them. The struct itself is copied. */
typedef struct soniq_allocator {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  /* `size` > 0 bytes at a multiple of `alignment` (a power of two, 64 at most), or NULL. */
  void *(*allocate)(void *context, size_t size, size_t alignment);
  /* Frees what allocate gave; the same size. */
  void (*release)(void *context, void *memory, size_t size);
} soniq_allocator;

#define SONIQ_ALLOCATOR_INIT {(uint32_t)sizeof(soniq_allocator), 0, NULL, NULL, NULL}

/* One piece of work: to be called with the `argument` that parallel_for got. */
typedef void (*soniq_task_function)(void *argument, uint32_t index);

/* The host's threads. Both functions must be set and must outlive the session made with them. The struct
 * itself is copied. */
typedef struct soniq_thread_pool {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  /* How many tasks can run at once, 1 or more. Asked once, when the session is made. */
  uint32_t (*width)(void *context);
  /* Calls task(argument, i) exactly once for each i in 0..count-1, in any order, on any threads, and returns
   * when all have returned, with everything they wrote visible to the caller. Calls may be serial: tasks do
   * not wait for each other. Return 0; anything else says that not all tasks ran: the run then fails with
   * SONIQ_ERROR_CANCELLED. Called by the thread that called soniq_session_run. */
  int32_t (*parallel_for)(void *context, uint32_t count, soniq_task_function task, void *argument);
} soniq_thread_pool;

#define SONIQ_THREAD_POOL_INIT {(uint32_t)sizeof(soniq_thread_pool), 0, NULL, NULL, NULL}

/* ==== Model ========================================================================================== */

/* An open model: immutable, shared, reference-counted. */
typedef struct soniq_model soniq_model;

/* Bits of soniq_model_options.flags. */
enum {
  /* Check all bytes while opening, as soniq_model_verify does, and not only the structure. */
  SONIQ_MODEL_VERIFY = 1,
  /* Copy the bytes instead of using them in place: for memory that does not stay, and for files that others
   * may overwrite or truncate while the model is open. */
  SONIQ_MODEL_COPY = 2,
  /* Keep no weights in another layout than the file's. Sessions then take kernels that read the file's, also where
   * others would be faster; soniq_kernel_report.refusals says where. Results are the same bits. */
  SONIQ_MODEL_NO_COPIES = 4
};

typedef struct soniq_model_options {
  uint32_t struct_size;
  uint32_t abi_version;
  uint32_t flags; /* SONIQ_MODEL_* */
  uint32_t reserved;
  soniq_log_function log; /* used by this model until it is closed, by any thread that uses the model */
  void *log_context;
  soniq_progress_function progress; /* of SONIQ_MODEL_VERIFY; used during open only */
  void *progress_context;
} soniq_model_options;

#define SONIQ_MODEL_OPTIONS_INIT \
  {(uint32_t)sizeof(soniq_model_options), SONIQ_ABI_VERSION, 0, 0, NULL, NULL, NULL, NULL}

/* Opens the model file at `path`. The file is mapped and its weights are used in place: opening reads and
 * checks the header and the tables, never trusting a byte of them, and copies no weights. `options` may be
 * NULL.
 * Errors: IO (the file cannot be opened or is not a regular file), FORMAT, CHECKSUM, VERSION, UNSUPPORTED,
 * CANCELLED, OUT_OF_MEMORY, INVALID_ARGUMENT. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_open(soniq_model **model, const char *path,
                                                      const soniq_model_options *options,
                                                      soniq_error **error);

/* Opens a model file that is already in memory. `bytes` must be aligned to 64 bytes and stay unchanged until
 * the last reference to the model and its last session are destroyed; with SONIQ_MODEL_COPY neither is.
 * Errors: as soniq_model_open without IO. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_open_memory(soniq_model **model, const void *bytes,
                                                             size_t byte_count,
                                                             const soniq_model_options *options,
                                                             soniq_error **error);

/* One more reference: each needs its own soniq_model_destroy. May run concurrently. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_retain(const soniq_model *model, soniq_error **error);

/* Gives one reference back. The last one closes the model, once its sessions are destroyed too: sessions keep
 * their model open, so model and sessions may be destroyed in any order. Threads may destroy references of
 * their own concurrently. NULL is allowed. */
SONIQ_API void soniq_model_destroy(soniq_model *model);

/* Element types of tensors. Inputs and outputs of models have all but SONIQ_INT64; inputs may be given in other types
 * than their own too, see soniq_session_set_input. */
enum {
  SONIQ_FLOAT32 = 1,
  SONIQ_INT32 = 2,
  SONIQ_INT64 = 3,
  SONIQ_FLOAT16 = 4, /* IEEE binary16 */
  SONIQ_INT8 = 5,
  SONIQ_UINT8 = 6
};

#define SONIQ_MAXIMUM_RANK 8

/* What an input or output of a model looks like. Its text is valid until the model is closed. */
typedef struct soniq_tensor_info {
  uint32_t struct_size;
  uint32_t element_type; /* SONIQ_FLOAT32, SONIQ_INT32 */
  uint32_t rank;
  uint32_t is_optional; /* 1: an input that may stay unset */
  const char *name;
  /* The first `rank` count, the rest is 0. -1: dynamic, chosen for each run. */
  int64_t dimensions[SONIQ_MAXIMUM_RANK];
  /* The largest value that the model allows; the dimension itself when it is not dynamic. */
  int64_t maximum_dimensions[SONIQ_MAXIMUM_RANK];
  /* Name of the symbol ("batch", "sequence", ...) of a dynamic dimension, else NULL. In one run, those
   * of the same symbol are equal. */
  const char *dimension_names[SONIQ_MAXIMUM_RANK];
  /* What a session is planned for whose size_limits do not name the symbol: the maximum, or less where whoever
   * made the model said nothing of it. */
  int64_t usual_dimensions[SONIQ_MAXIMUM_RANK];
} soniq_tensor_info;

#define SONIQ_TENSOR_INFO_INIT \
  {(uint32_t)sizeof(soniq_tensor_info), 0, 0, 0, NULL, {0}, {0}, {NULL}, {0}}

/* Number of inputs. Indices are 0..count-1 everywhere below. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_input_count(const soniq_model *model, uint32_t *count,
                                                             soniq_error **error);

/* Number of outputs. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_output_count(const soniq_model *model, uint32_t *count,
                                                              soniq_error **error);

/* Describes an input. Errors: NOT_FOUND (no such index). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_input_info(const soniq_model *model, uint32_t index,
                                                            soniq_tensor_info *info, soniq_error **error);

/* Describes an output. Errors: NOT_FOUND (no such index). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_output_info(const soniq_model *model, uint32_t index,
                                                             soniq_tensor_info *info, soniq_error **error);

/* Index of the input with this name. Errors: NOT_FOUND. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_input_index(const soniq_model *model, const char *name,
                                                             uint32_t *index, soniq_error **error);

/* Index of the output with this name. Errors: NOT_FOUND. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_output_index(const soniq_model *model, const char *name,
                                                              uint32_t *index, soniq_error **error);

/* Kinds of metadata values. */
enum {
  SONIQ_METADATA_TEXT = 1,
  SONIQ_METADATA_INTEGER = 2,
  SONIQ_METADATA_REAL = 3,
  SONIQ_METADATA_BOOLEAN = 4
};

/* One metadata entry. `kind` says which of the values holds; the others are 0 or NULL. Text is valid until
 * the model is closed, is NUL-terminated, and can contain no other NUL. */
typedef struct soniq_metadata {
  uint32_t struct_size;
  uint32_t kind; /* SONIQ_METADATA_* */
  const char *key;
  const char *text;
  size_t text_length; /* bytes, without the final NUL */
  int64_t integer;
  double real;
  uint32_t boolean; /* 0 or 1 */
  uint32_t reserved;
} soniq_metadata;

#define SONIQ_METADATA_INIT {(uint32_t)sizeof(soniq_metadata), 0, NULL, NULL, 0, 0, 0.0, 0, 0}

/* Number of metadata entries: name, licence, palette and so on; docs/format.md lists the well-known keys. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_metadata_count(const soniq_model *model, uint32_t *count,
                                                                soniq_error **error);

/* The entry with an index, in the order of the file. Errors: NOT_FOUND. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_metadata_get(const soniq_model *model, uint32_t index,
                                                              soniq_metadata *entry, soniq_error **error);

/* The entry with a key. Errors: NOT_FOUND. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_metadata_find(const soniq_model *model, const char *key,
                                                               soniq_metadata *entry, soniq_error **error);

/* Checks every byte of the model: checksums of all sections, ranges of all codes, scales and maps. Takes
 * about as long as reading the file. `progress` may be NULL.
 * Errors: CHECKSUM, FORMAT, CANCELLED. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_verify(const soniq_model *model,
                                                        soniq_progress_function progress,
                                                        void *progress_context, soniq_error **error);

/* Size and memory of a model, without its sessions. */
typedef struct soniq_model_statistics {
  uint32_t struct_size;
  uint32_t node_count;
  uint64_t file_bytes;   /* length of the file */
  uint64_t mapped_bytes; /* of it, mapped from disk: shared between processes and given back under pressure */
  uint64_t heap_bytes; /* allocated for the model now: text, maps, copied weights, and the copy if it is one */
  uint64_t heap_resident_bytes; /* of that arena, in physical memory now */
  /* Of heap_bytes: weights in another layout than the file's, for kernels that are faster with it. They are made when
   * the first session that wants them is created, serve all sessions, and stay until the model is closed. */
  uint64_t copied_weight_bytes;
} soniq_model_statistics;

#define SONIQ_MODEL_STATISTICS_INIT {(uint32_t)sizeof(soniq_model_statistics), 0, 0, 0, 0, 0, 0}

/* Reads the statistics of a model. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_model_get_statistics(const soniq_model *model,
                                                                soniq_model_statistics *statistics,
                                                                soniq_error **error);

/* ==== Session ======================================================================================== */

/* Memory and plan for running a model, for one thread at a time. */
typedef struct soniq_session soniq_session;

/* Bits of soniq_session_options.flags. */
enum {
  /* Measure the cost of each step; see soniq_session_profile_get. Costs a few clock readings a step. */
  SONIQ_SESSION_PROFILE = 1
};

/* The largest value of a dynamic size that a session will be asked for. This struct never grows. */
typedef struct soniq_size_limit {
  const char *name; /* of the symbol: soniq_tensor_info.dimension_names */
  uint64_t maximum; /* 1 or more, at most what the model allows */
} soniq_size_limit;

typedef struct soniq_session_options {
  uint32_t struct_size;
  uint32_t abi_version;
  /* 0: as many as the process may use (CPU affinity and cgroup quota). 1: serial, no threads. The calling
   * thread is one of them. Must be 0 when thread_pool is set. */
  uint32_t thread_count;
  /* SONIQ_ISA_*: use no newer instruction set. The lower of this, SONIQ_MAX_ISA and the CPU counts. */
  uint32_t maximum_isa;
  uint32_t flags; /* SONIQ_SESSION_* */
  /* Sizes that the session must be able to run together. Smaller ones need less memory. A symbol without an
   * entry gets the maximum of the model; or 512, as a first dimension 64, where the model does not state one
   * (soniq_tensor_info has it as usual_dimensions). But when the batch, the first dimension of inputs, has none and
   * everything at its maximum would take more than 24 MiB, the session is planned for as many entries of full
   * length as fit about that (at least one), and for the model's largest batch of entries that are so much
   * shorter; a run may have any sizes whose tensors fit what is planned. Two entries for one symbol are an
   * error. */
  uint32_t size_limit_count;
  const soniq_size_limit *size_limits;
  /* Memory for the tensors of a run: at least soniq_session_workspace_size bytes, aligned to 64, kept until
   * the session is destroyed, used by nobody else. NULL: the session allocates it. */
  void *workspace;
  size_t workspace_size;
  const soniq_allocator *allocator;     /* NULL: an arena of the session's own */
  const soniq_thread_pool *thread_pool; /* NULL: threads of the session's own */
  soniq_log_function log;               /* says which kernel each node got; used during create only */
  void *log_context;
  /* What kernels cost on this machine: the text that `soniq-pack calibrate-cost` writes, ending with 0, read during
   * this call only. NULL: the library's own profile. Results are the same bits with any profile. */
  const char *kernel_profile;
} soniq_session_options;

#define SONIQ_SESSION_OPTIONS_INIT                                                                     \
  {(uint32_t)sizeof(soniq_session_options), SONIQ_ABI_VERSION, 0, 0, 0, 0, NULL, NULL, 0, NULL, NULL, \
   NULL, NULL, NULL}

/* The bytes of `workspace` that a session with these options needs. `options` may be NULL; its workspace,
 * allocator and log are ignored. Errors: as soniq_session_create. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_workspace_size(const soniq_model *model,
                                                                  const soniq_session_options *options,
                                                                  size_t *byte_count,
                                                                  soniq_error **error);

/* Makes a session: checks the graph, chooses kernels, plans memory and allocates all of it, starts threads.
 * The session keeps the model open. `options` may be NULL.
 * Errors: INVALID_ARGUMENT (options, SONIQ_MAX_ISA), NOT_FOUND (a size limit names no symbol), SHAPE (a size
 * limit above the model's maximum), UNSUPPORTED, OUT_OF_MEMORY, IO (no thread could be started). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_create(soniq_session **session, const soniq_model *model,
                                                          const soniq_session_options *options,
                                                          soniq_error **error);

/* Frees a session, joins its threads, gives its memory back whole. NULL is allowed. */
SONIQ_API void soniq_session_destroy(soniq_session *session);

/* Gives an input for the runs to come: `rank` dimensions, row-major elements of `element_type` at `data`,
 * aligned to their size. `dimensions` is copied. `data` is borrowed: it is read by each soniq_session_run and
 * must stay valid until the input is set again, soniq_session_clear_inputs, or the session's end; its
 * contents may change between runs. Nothing is copied, and nothing of `data` is read here.
 * Of another type than the model's, the elements are converted here, exactly, into memory of the session, and `data` is
 * not borrowed: SONIQ_FLOAT16, INT8 and UINT8 for a float32 input, SONIQ_INT64, INT8 and UINT8 for an int32 input,
 * SONIQ_INT8 and UINT8 for a float16 input. Every other pair is the error ELEMENT_TYPE.
 * Setting an input makes the outputs of an earlier run unavailable; a call that fails leaves the input as it was.
 * Errors: NOT_FOUND (index), ELEMENT_TYPE, SHAPE (rank, a fixed dimension, 0, or above the session's limit; with
 * soniq_error_field "size_limits" where a session whose size_limits name more could take it), INVALID_ARGUMENT; DATA (an
 * int64 that int32 does not hold) and OUT_OF_MEMORY for converted elements. Sizes that must agree with other inputs are
 * compared by soniq_session_run. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_set_input(soniq_session *session, uint32_t index,
                                                             uint32_t element_type, uint32_t rank,
                                                             const int64_t *dimensions, const void *data,
                                                             soniq_error **error);

/* Forgets all inputs and outputs. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_clear_inputs(soniq_session *session,
                                                                soniq_error **error);

/* Runs the model on the inputs. Allocates nothing, takes no lock, logs nothing when it succeeds. (An error
 * object is allocated when it fails.) After a failure there are no outputs; the session can be used again.
 * Errors: STATE (an input that is not optional is unset), SHAPE (inputs disagree; or the sizes together need
 * more memory than was planned, then soniq_error_field is "size_limits"), DATA (an element out of range;
 * soniq_error_node names the node), CAPACITY (a state is full; soniq_error_node names it), CANCELLED (by the host's
 * thread pool). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_run(soniq_session *session, soniq_error **error);

/* ---- States: tensors of a session that live between its runs ----
 *
 * A model may have states: the keys and values of a decoder, which each run appends to (growing), or tensors that each
 * run replaces (recurrent). They belong to the session, which allocates all of their memory when it is created (counted
 * in its statistics, not part of the workspace). At the start growing states are empty and recurrent ones zero. A run
 * that fails, for whatever reason, leaves them as they were; one that would exceed a capacity is refused before anything is
 * computed, with CAPACITY. Capacities are dynamic sizes of the model: name them in size_limits for fewer positions and
 * less memory. So is the batch of states that grow, which is 1 unless size_limits name it. All runs since the start
 * have the same batch, and the same other dynamic sizes of states: others are refused with SHAPE.
 * The results of a position depend on the positions before it, and not on how runs divide them: one by one, or all at
 * once, the bits are the same. */

enum {
  SONIQ_STATE_RECURRENT = 1, /* each run replaces it */
  SONIQ_STATE_GROWING = 2    /* each run appends positions: [batch, capacity, channels] */
};

typedef struct soniq_state_info {
  uint32_t struct_size;
  uint32_t kind;         /* SONIQ_STATE_* */
  uint32_t element_type; /* SONIQ_FLOAT32, SONIQ_INT32, SONIQ_FLOAT16 or, of codes, SONIQ_INT8 */
  uint32_t rank;
  const char *name; /* valid until the session is destroyed */
  int64_t dimensions[SONIQ_MAXIMUM_RANK]; /* the largest of this session; the first `rank` count, the rest is 0 */
  uint64_t length;     /* positions that a growing state has now; 0 of a recurrent one */
  uint64_t byte_count; /* of its memory */
  uint32_t element_bits; /* of an element: those of its type, of codes 4, 6 or 8 */
  uint32_t reserved;     /* 0 */
} soniq_state_info;

#define SONIQ_STATE_INFO_INIT {(uint32_t)sizeof(soniq_state_info), 0, 0, 0, NULL, {0}, 0, 0, 0, 0}

/* Number of states. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_state_count(soniq_session *session, uint32_t *count,
                                                               soniq_error **error);

/* What a state is, and its length now. Errors: NOT_FOUND (index). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_get_state_info(soniq_session *session, uint32_t index,
                                                                  soniq_state_info *info,
                                                                  soniq_error **error);

/* Brings all states back to the start. Outputs of the last run stay. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_reset(soniq_session *session, soniq_error **error);

/* Shortens the growing states to `length` positions, as if the runs behind had not been; shorter ones stay.
 * Errors: INVALID_ARGUMENT (longer than all states), STATE (the model has recurrent states, whose past is gone, or no
 * states). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_truncate(soniq_session *session, uint64_t length,
                                                            soniq_error **error);

/* Copies the states to `bytes`, which holds `capacity`, and says in byte_count how many bytes they are. With NULL and 0
 * it only says that. The bytes carry checksums and the identity of the model's file, and are for
 * soniq_session_write_states of this library or a later one of the same SONAME, on any machine.
 * Errors: INVALID_ARGUMENT (capacity is too small; byte_count says what is needed). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_read_states(soniq_session *session, void *bytes,
                                                               size_t capacity, size_t *byte_count,
                                                               soniq_error **error);

/* Makes what soniq_session_read_states has written the states of this session, which may have other options: a run
 * then continues as it would have there. After a failure the states are as before.
 * Errors: DATA (damaged bytes, or of another model), CAPACITY (more positions than this session has room for), SHAPE
 * (a larger batch). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_write_states(soniq_session *session, const void *bytes,
                                                                size_t byte_count, soniq_error **error);

/* A tensor that the library holds. */
typedef struct soniq_tensor {
  uint32_t struct_size;
  uint32_t element_type;
  uint32_t rank;
  uint32_t reserved;
  const void *data; /* aligned to 64 bytes */
  size_t byte_count;
  int64_t dimensions[SONIQ_MAXIMUM_RANK]; /* the first `rank` count, the rest is 0 */
} soniq_tensor;

#define SONIQ_TENSOR_INIT {(uint32_t)sizeof(soniq_tensor), 0, 0, 0, NULL, 0, {0}}

/* An output of the last run. Its data is valid until the next soniq_session_set_input, clear_inputs, run or
 * destroy of this session. Errors: STATE (no successful run since the inputs changed), NOT_FOUND (index). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_output(soniq_session *session, uint32_t index,
                                                          soniq_tensor *output, soniq_error **error);

/* Which kernel a node of the model got, and why not a faster one. All text is valid until the session is
 * destroyed. */
typedef struct soniq_kernel_report {
  uint32_t struct_size;
  uint32_t isa;          /* SONIQ_ISA_* of the kernel */
  const char *node;      /* name of the node */
  const char *operation; /* "linear", "attention", ... */
  const char *level;     /* "8x8", "4x8+8x8", ...: weight bits x activation bits of each level; "" for none */
  const char *kernel;    /* name of the kernel */
  const char *refusals;  /* "kernel: reason" for each one refused, a line each; "" for none */
  uint64_t copied_weight_bytes; /* of weights that the kernel reads in another layout than the file's; 0: none */
} soniq_kernel_report;

#define SONIQ_KERNEL_REPORT_INIT \
  {(uint32_t)sizeof(soniq_kernel_report), 0, NULL, NULL, NULL, NULL, NULL, 0}

/* Number of kernel reports: one for each node, in the order in which they run. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_kernel_count(soniq_session *session, uint32_t *count,
                                                                soniq_error **error);

/* A kernel report. Errors: NOT_FOUND (index). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_kernel_get(soniq_session *session, uint32_t index,
                                                              soniq_kernel_report *report,
                                                              soniq_error **error);

/* What a step of the plan has cost since the session was made or the profile was reset; all 0 without
 * SONIQ_SESSION_PROFILE. All text is valid until the session is destroyed. */
typedef struct soniq_profile_entry {
  uint32_t struct_size;
  uint32_t reserved;
  const char *name;      /* of the node; the names of nodes that run as one step are joined by " + " */
  const char *operation; /* as in soniq_kernel_report, as are the next two */
  const char *level;
  const char *kernel;
  uint64_t nanoseconds;          /* at work, summed over threads */
  uint64_t rows;                 /* rows of the last dimension worked on */
  uint64_t multiply_accumulates; /* of the model's arithmetic, padding not counted */
} soniq_profile_entry;

#define SONIQ_PROFILE_ENTRY_INIT {(uint32_t)sizeof(soniq_profile_entry), 0, NULL, NULL, NULL, NULL, 0, 0, 0}

/* Number of steps of the session's plan, in the order in which they run. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_profile_count(soniq_session *session, uint32_t *count,
                                                                 soniq_error **error);

/* The cost of a step. Errors: NOT_FOUND (index). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_profile_get(soniq_session *session, uint32_t index,
                                                               soniq_profile_entry *entry,
                                                               soniq_error **error);

/* Sets the costs of all steps to 0. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_profile_reset(soniq_session *session,
                                                                 soniq_error **error);

typedef struct soniq_session_statistics {
  uint32_t struct_size;
  uint32_t isa;          /* SONIQ_ISA_* in use, never SONIQ_ISA_DEFAULT */
  uint32_t thread_count; /* or the width of the host's pool */
  uint32_t reserved;
  uint64_t workspace_bytes; /* tensors of a run, in the session's memory or the host's */
  /* Allocated by the session now: the plan, the states, and the workspace unless the host gave it. */
  uint64_t heap_bytes;
  uint64_t heap_resident_bytes; /* of the session's arena, in physical memory now */
  uint64_t allocation_count;    /* allocations made since the session began, by its arena or allocator */
  uint64_t run_count;           /* successful runs */
  uint64_t state_bytes;         /* of heap_bytes: memory of the states */
} soniq_session_statistics;

#define SONIQ_SESSION_STATISTICS_INIT {(uint32_t)sizeof(soniq_session_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Reads the statistics of a session. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_session_get_statistics(soniq_session *session,
                                                                  soniq_session_statistics *statistics,
                                                                  soniq_error **error);

/* ==== Decoder and sequence =========================================================================== */

/* Language models: models that take ids of tokens and give logits, with states that grow (docs/language-models.md).
 * A sequence is the states of one text. A decoder is what runs the model, with its memory and threads, and holds no text: it
 * goes on with any sequences of its model, and a sequence with any of the model's decoders. Both are for one thread at
 * a time, and keep the model open.
 *
 * The logits of a position depend on the tokens of its text up to it and on the model, to the bit: not on how they were
 * divided into runs, on other sequences of a run, on truncation, copies, saving and loading, on threads or the CPU. */
typedef struct soniq_decoder soniq_decoder;
typedef struct soniq_sequence soniq_sequence;

typedef struct soniq_sequence_options {
  uint32_t struct_size;
  uint32_t abi_version;
  uint64_t capacity; /* the most positions, which memory is taken for; 0: as many as the model allows */
  const soniq_allocator *allocator; /* NULL: an arena of the sequence's own */
} soniq_sequence_options;

#define SONIQ_SEQUENCE_OPTIONS_INIT \
  {(uint32_t)sizeof(soniq_sequence_options), SONIQ_ABI_VERSION, 0, NULL}

/* The bytes of the states of a sequence with these options; it needs a few kB more. `options` may be NULL.
 * Errors: UNSUPPORTED (the model is no decoder), INVALID_ARGUMENT (a capacity beyond the model's). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_size(const soniq_model *model,
                                                         const soniq_sequence_options *options,
                                                         size_t *byte_count, soniq_error **error);

/* Makes an empty sequence, with all of its memory. `options` may be NULL.
 * Errors: as soniq_sequence_size, OUT_OF_MEMORY. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_create(soniq_sequence **sequence, const soniq_model *model,
                                                           const soniq_sequence_options *options,
                                                           soniq_error **error);

/* Frees a sequence. NULL is allowed. */
SONIQ_API void soniq_sequence_destroy(soniq_sequence *sequence);

/* The number of tokens that it holds. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_length(soniq_sequence *sequence, uint64_t *length,
                                                           soniq_error **error);

/* Forgets the tokens from `length` on, as if they had not been. Errors: INVALID_ARGUMENT (it is shorter). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_truncate(soniq_sequence *sequence, uint64_t length,
                                                             soniq_error **error);

/* Makes the first `length` tokens of `source` all that `sequence` holds; their capacities may differ. After a failure both
 * are as before. Errors: INVALID_ARGUMENT (source is shorter, is of another model or is the sequence itself), CAPACITY. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_copy(soniq_sequence *sequence, soniq_sequence *source,
                                                         uint64_t length, soniq_error **error);

/* Copies it to `bytes`, which holds `capacity`, and says in byte_count how many bytes it is. With NULL and 0 it only says
 * that. The bytes carry checksums and the identity of the model's file, and are those of soniq_session_read_states.
 * Errors: INVALID_ARGUMENT (capacity is too small; byte_count says what is needed). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_save(soniq_sequence *sequence, void *bytes, size_t capacity,
                                                         size_t *byte_count, soniq_error **error);

/* Makes what soniq_sequence_save has written all that this sequence holds, on any machine and with any capacity. After a
 * failure it is as before. Errors: DATA (damaged bytes, or of another model), CAPACITY, SHAPE (states of a batch). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sequence_load(soniq_sequence *sequence, const void *bytes,
                                                         size_t byte_count, soniq_error **error);

typedef struct soniq_decoder_options {
  uint32_t struct_size;
  uint32_t abi_version;
  uint32_t thread_count; /* as in soniq_session_options */
  uint32_t maximum_isa;  /* likewise */
  /* Tokens that go through the model at a time, of one sequence or of several; longer runs are done in parts of so many.
   * More need more memory. 0: 256, or as many as the model allows. */
  uint32_t maximum_tokens;
  uint32_t maximum_outputs; /* rows of logits of a run, of all items together, at most 65536; 0: 16 */
  uint64_t capacity; /* of the sequences that it is for, which have no more; 0: as many positions as the model allows */
  const soniq_allocator *allocator;     /* NULL: an arena of the decoder's own */
  const soniq_thread_pool *thread_pool; /* NULL: threads of the decoder's own */
  const char *kernel_profile;           /* as in soniq_session_options */
  soniq_progress_function progress; /* called by runs with the number of tokens done, also to stop them; or NULL */
  void *progress_context;
  uint64_t reserved;
} soniq_decoder_options;

#define SONIQ_DECODER_OPTIONS_INIT                                                                            \
  {(uint32_t)sizeof(soniq_decoder_options), SONIQ_ABI_VERSION, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0}

/* Makes a decoder: chooses kernels, plans memory and allocates all of it, starts threads. `options` may be NULL.
 * Errors: UNSUPPORTED (the model is no decoder), INVALID_ARGUMENT (options, SONIQ_MAX_ISA), OUT_OF_MEMORY, IO. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_decoder_create(soniq_decoder **decoder, const soniq_model *model,
                                                          const soniq_decoder_options *options,
                                                          soniq_error **error);

/* Frees a decoder and joins its threads; sequences stay. NULL is allowed. */
SONIQ_API void soniq_decoder_destroy(soniq_decoder *decoder);

/* Of which tokens of an item logits are wanted. */
enum {
  SONIQ_OUTPUTS_LAST = 0,
  SONIQ_OUTPUTS_ALL = 1,
  SONIQ_OUTPUTS_NONE = 2
};

/* Tokens for a sequence. This struct never grows. */
typedef struct soniq_decoder_item {
  soniq_sequence *sequence; /* of the decoder's model; each sequence once in a run */
  const int32_t *tokens;    /* read by the run */
  size_t token_count;       /* 1 or more */
  uint32_t outputs;         /* SONIQ_OUTPUTS_* */
  uint32_t reserved;
} soniq_decoder_item;

/* Puts the tokens of up to 1024 items behind their sequences and computes the logits that are wanted: a prompt, a step,
 * or steps of many sequences, which read the weights once: tokens of all items go through the model together, as many as
 * maximum_tokens at a time. All or nothing: after a failure, for whatever reason, all sequences are as before, and there
 * is no output. Allocates nothing when it succeeds.
 * Errors, before anything is computed: INVALID_ARGUMENT (an item; more rows of logits than maximum_outputs), CAPACITY (a
 * sequence would be too long), DATA (an unknown token), STATE (a sequence is in use); and CANCELLED. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_decoder_run(soniq_decoder *decoder, const soniq_decoder_item *items,
                                                       uint32_t count, soniq_error **error);

/* The logits of an item of the last run, float32 [tokens that were asked for, vocabulary]: of token t the logits of what
 * follows it. Valid until the next run, or the decoder's end. Errors: NOT_FOUND (no such item), STATE (it asked for
 * none, or the last run failed). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_decoder_output(soniq_decoder *decoder, uint32_t item,
                                                          soniq_tensor *output, soniq_error **error);

/* ==== Sampler ======================================================================================== */

/* Chooses tokens by their logits, for one thread at a time. The same logits, options and calls give the same tokens on
 * every machine: exp and log are the library's own, and the order of every sum is fixed. */
typedef struct soniq_sampler soniq_sampler;

/* What is added to the logit of a token. This struct never grows. */
typedef struct soniq_token_bias {
  int32_t token;
  float bias; /* finite */
} soniq_token_bias;

/* The steps of a choice are done in the order of the fields from `biases` on. With a temperature of 0 the token with the
 * greatest logit behind the penalties is chosen, of equal ones the lowest, and top_k, top_p and min_p change nothing. */
typedef struct soniq_sampler_options {
  uint32_t struct_size;
  uint32_t abi_version;
  /* The chance of a choice: number n, from 0, of the choices since create or reset takes the upper 53 bits of the mix of
   * SplitMix64 of seed + (n + 1) * 0x9e3779b97f4a7c15, times 2^-53, and chooses the first token at which the sum of the
   * probabilities exceeds it: of tokens in ascending order, or with top_k or top_p the most likely first. Any seed is
   * good. */
  uint64_t seed;
  const soniq_token_bias *biases; /* read by create; those of one token are added up */
  uint32_t bias_count;            /* at most one for each token */
  /* The tokens that penalties are for: so many of the last ones that were chosen or accepted, at most 1048576; 0: 64. */
  uint32_t penalty_window;
  float repetition_penalty; /* divides positive logits of these tokens and multiplies the others; 0: 1 */
  float frequency_penalty;  /* is taken from the logit for each time that the token is among them */
  float presence_penalty;   /* is taken from the logit once */
  uint32_t top_k;           /* only so many tokens with the greatest logits; 0: all */
  float top_p; /* only the most likely tokens, as few as have this part of the probability together; 0: 1, all of them */
  float min_p; /* only tokens with at least this part of the greatest probability, 0 to 1 */
  float temperature;                /* divides the logits of those that are left */
  uint32_t reserved;
  const soniq_allocator *allocator; /* NULL: an arena of the sampler's own */
} soniq_sampler_options;

#define SONIQ_SAMPLER_OPTIONS_INIT                                                                            \
  {(uint32_t)sizeof(soniq_sampler_options), SONIQ_ABI_VERSION, 0, NULL, 0, 0, 0.0f, 0.0f, 0.0f, 0, 0.0f, 0.0f, \
   0.0f, 0, NULL}

/* Makes a sampler for a vocabulary of 1 to 16777216 tokens, with all the memory that it needs: 12 bytes a token, with
 * penalties 16. `options` may be NULL: the most likely token.
 * Errors: INVALID_ARGUMENT (the vocabulary, an option out of its range), OUT_OF_MEMORY. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sampler_create(soniq_sampler **sampler, uint32_t vocabulary,
                                                          const soniq_sampler_options *options,
                                                          soniq_error **error);

/* Frees a sampler. NULL is allowed. */
SONIQ_API void soniq_sampler_destroy(soniq_sampler *sampler);

/* Chooses a token and remembers it for the penalties. Allocates nothing. `logits` are `count` numbers, one for each token
 * of the vocabulary, all finite; they are only read. Bit t % 32 of allowed[t / 32] says whether token t may be chosen,
 * for grammars and the like; NULL: all may. `log_probability`, which may be NULL, becomes the natural logarithm of the
 * token's probability by the logits as they are, without any option or `allowed`. After a failure the sampler is as
 * before.
 * Errors: INVALID_ARGUMENT (count is not the vocabulary), DATA (a logit that is NaN or infinite, field "logits"; no
 * token is allowed, field "allowed"). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sampler_sample(soniq_sampler *sampler, const float *logits,
                                                          size_t count, const uint32_t *allowed,
                                                          int32_t *token, float *log_probability,
                                                          soniq_error **error);

/* Remembers `count` tokens that others have chosen, those of a prompt for example.
 * Errors: DATA (a token that is none of the vocabulary; then none is remembered). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sampler_accept(soniq_sampler *sampler, const int32_t *tokens,
                                                          size_t count, soniq_error **error);

/* Forgets all tokens and begins the random numbers again. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_sampler_reset(soniq_sampler *sampler, soniq_error **error);

/* ==== Tokenizer ====================================================================================== */

/* Text to the ids of tokens and back. Immutable; independent of the model it was made from. */
typedef struct soniq_tokenizer soniq_tokenizer;

/* Makes the tokenizer of a model's file. SONIQ_ERROR_NOT_FOUND when the file has none (the message says why, where
 * soniq-pack left it out), SONIQ_ERROR_FORMAT or _CHECKSUM when its table is damaged: opening a model does not
 * read that table. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_tokenizer_create(soniq_tokenizer **tokenizer, const soniq_model *model,
                                                            soniq_error **error);

/* Frees a tokenizer. NULL is allowed. */
SONIQ_API void soniq_tokenizer_destroy(soniq_tokenizer *tokenizer);

/* Number of tokens: ids are 0 to count - 1. The vocabulary of the model's output may be larger. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_tokenizer_count(const soniq_tokenizer *tokenizer, uint32_t *count,
                                                           soniq_error **error);

/* The token that a piece of text is, "<|im_end|>" say; SONIQ_ERROR_NOT_FOUND when it is none. The piece is
 * written as the vocabulary has it: with U+2581 for spaces where that is made by SentencePiece, else as plain bytes. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_tokenizer_find(const soniq_tokenizer *tokenizer, const char *piece,
                                                          size_t byte_count, int32_t *token, soniq_error **error);

enum {
  /* Set what the file says before and behind the text: the token that begins a text, say. */
  SONIQ_ENCODE_ADD_SPECIAL = 1,
  /* Names of control tokens in the text become these tokens: for prompts made from a template, not for what users
   * write. Without it they are plain text; tokens that the file calls user-defined are always found. */
  SONIQ_ENCODE_PARSE_SPECIAL = 2
};

/* Makes tokens of `byte_count` bytes of text, at most 2^28; a byte 0 is a character. Bytes that are no UTF-8 are taken
 * one by one. `*count` is the number of tokens; as many of them as `capacity` has room for are written. `tokens` may be
 * NULL when `capacity` is 0. The time is about proportional to the text, whatever it is. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_tokenizer_encode(const soniq_tokenizer *tokenizer, const char *text,
                                                            size_t byte_count, uint32_t flags, int32_t *tokens,
                                                            size_t capacity, size_t *count, soniq_error **error);

enum {
  /* Control tokens give no text; else their names. */
  SONIQ_DECODE_SKIP_SPECIAL = 1,
  /* The tokens go on with a text that was decoded before: a space at its beginning is part of it. */
  SONIQ_DECODE_CONTINUES = 2
};

/* Makes text of tokens. `*byte_count` is the number of bytes; as many as `capacity` has room for are written, without
 * a byte 0 behind them. `text` may be NULL when `capacity` is 0. A token may end within a character: whoever decodes
 * one after the other (with SONIQ_DECODE_CONTINUES from the second on) joins the bytes before they are shown.
 * SONIQ_ERROR_DATA when an id is not in 0...count - 1. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_tokenizer_decode(const soniq_tokenizer *tokenizer, const int32_t *tokens,
                                                            size_t count, uint32_t flags, char *text,
                                                            size_t capacity, size_t *byte_count, soniq_error **error);

/* ==== Matrix ========================================================================================= */

/* One weight matrix, quantised and packed; immutable and shared. For hosts that want only the kernels. */
typedef struct soniq_matrix soniq_matrix;

/* How an integer code q of p bits stands for a number; `scale` is chosen or measured. */
enum {
  SONIQ_CODE_DEFAULT = 0,
  SONIQ_CODE_BIPOLAR = 1, /* p = 1..7: scale * (2q - (2^p - 1)); there is no zero */
  SONIQ_CODE_AFFINE = 2   /* p = 1..8: scale * (q - zero) */
};

/* A precision: codes of weights and activations of some input channels. This struct never grows. */
typedef struct soniq_level {
  uint32_t weight_code;     /* SONIQ_CODE_*; default: affine with zero in the middle, 2^(p-1) */
  uint32_t weight_bits;     /* 0: 8 */
  uint32_t activation_code; /* SONIQ_CODE_*; default: affine */
  uint32_t activation_bits; /* 0: 8 */
  float activation_scale;   /* 0: measured for each row of activations; else fixed, a normal number > 0 */
  int32_t activation_zero;  /* affine with a fixed scale only: the code of 0, in 0..2^p-1 */
  uint32_t reserved[2];
} soniq_level;

#define SONIQ_MAXIMUM_LEVELS 2

/* Bits of soniq_matrix_options.flags. */
enum {
  /* Keep the weights in one layout, as SONIQ_MODEL_NO_COPIES says. */
  SONIQ_MATRIX_NO_COPIES = 1
};

typedef struct soniq_matrix_options {
  uint32_t struct_size;
  uint32_t abi_version;
  uint32_t level_count;  /* 0 or 1: levels[0] for all channels. 2: as channel_levels says */
  uint32_t maximum_isa;  /* as in soniq_session_options */
  uint32_t thread_count; /* threads of each multiplication, the caller's included; 0 or 1: serial */
  /* Rows that a multiplication works on at a time, 1 to 65536; 0: 32. More rows are taken in turns, with
   * the same result; the scratch memory grows with it. */
  uint32_t block_rows;
  soniq_level levels[SONIQ_MAXIMUM_LEVELS];
  const uint8_t *channel_levels; /* [inputs], each 0 or 1; both occur; two levels only, else NULL */
  const float *bias;             /* [outputs], finite, added to each row of results; or NULL */
  const soniq_allocator *allocator;     /* of packed weights, their copies and scratch memory; NULL: an arena of its own */
  const soniq_thread_pool *thread_pool; /* as in soniq_session_options; calls may come from several threads */
  const char *kernel_profile;           /* as in soniq_session_options */
  uint32_t flags;                       /* SONIQ_MATRIX_* */
  uint32_t reserved;
} soniq_matrix_options;

#define SONIQ_LEVEL_INIT {0, 0, 0, 0, 0.0f, 0, {0, 0}}
#define SONIQ_MATRIX_OPTIONS_INIT                                                                          \
  {(uint32_t)sizeof(soniq_matrix_options), SONIQ_ABI_VERSION, 0, 0, 0, 0,                                  \
   {SONIQ_LEVEL_INIT, SONIQ_LEVEL_INIT}, NULL, NULL, NULL, NULL, NULL, 0, 0}

/* Quantises and packs a matrix: `weights` is [outputs][inputs], row-major, finite. Scales are found for each
 * output and level by the least squared error. All arguments are copied: nothing is kept. `options` may be
 * NULL: 8-bit weights, 8-bit activations measured for each row.
 * Errors: INVALID_ARGUMENT (sizes, bits, codes, channel_levels, SONIQ_MAX_ISA), DATA (a weight or bias
 * that is not finite), UNSUPPORTED (so many channels that a sum could leave int32), OUT_OF_MEMORY. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_pack(soniq_matrix **matrix, const float *weights,
                                                       size_t outputs, size_t inputs,
                                                       const soniq_matrix_options *options,
                                                       soniq_error **error);

/* Frees a matrix that no other thread is using. NULL is allowed. */
SONIQ_API void soniq_matrix_destroy(soniq_matrix *matrix);

/* output[r][o] = bias[o] + sum over channels c of weight[o][c] * input[r][c], with the input quantised as the
 * levels say. `input` is [rows][inputs] and `output` [rows][outputs] float32, rows `input_stride` and
 * `output_stride` floats apart (0: dense). They must not overlap. How rows are split over calls and threads
 * changes no bit of a result. Several threads may multiply by one matrix at once: each of them needs scratch
 * memory, which is allocated the first time that so many calls run at once and kept with the matrix. A single
 * thread allocates nothing here.
 * NaN and infinity in a row make the results of that row, and of no other, unspecified numbers.
 * Errors: INVALID_ARGUMENT (rows 0, a stride below the row, a NULL or misaligned pointer), OUT_OF_MEMORY,
 * CANCELLED (by the host's thread pool). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_multiply(const soniq_matrix *matrix, const float *input,
                                                           size_t input_stride, size_t rows, float *output,
                                                           size_t output_stride, soniq_error **error);

/* The exact integer product: output[r][o] = sum over channels c of w[o][c] * u[r][c].
 *
 * w is the integer of a weight, u that of the activation code q = codes[r][c]: 2q - (2^p - 1) for a bipolar
 * code of p bits, q - zeros[r][l] for an affine one at level l. `codes` is [rows][inputs], dense, one code a
 * byte. `zeros` is [rows][levels], dense, or NULL: 0 everywhere; bipolar levels ignore theirs. `output` is
 * [rows][outputs], rows `output_stride` elements apart (0: dense). For a matrix of one level the real product
 * is this times the activation's scale times soniq_matrix_scales. The products of two levels are added as
 * they are: pack each level as a matrix of its own to have them apart.
 * Errors: as soniq_matrix_multiply; DATA (a code or zero above 2^p - 1); UNSUPPORTED (two levels whose sum
 * could leave int32). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_multiply_codes(const soniq_matrix *matrix,
                                                                 const uint8_t *codes, const int32_t *zeros,
                                                                 size_t rows, int32_t *output,
                                                                 size_t output_stride, soniq_error **error);

/* The scale of each output at a level: *scales has `outputs` elements, valid until the matrix is destroyed.
 * Errors: NOT_FOUND (no such level). */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_scales(const soniq_matrix *matrix, uint32_t level,
                                                         const float **scales, soniq_error **error);

/* Writes the weights as the matrix holds them, scale times integer, to [outputs][inputs]: compare with the
 * originals to see the error of quantisation. `count` is the room in `weights`, outputs * inputs or more. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_unpack(const soniq_matrix *matrix, float *weights,
                                                         size_t count, soniq_error **error);

typedef struct soniq_matrix_info {
  uint32_t struct_size;
  uint32_t level_count;
  uint64_t outputs;
  uint64_t inputs;
  uint64_t byte_count;   /* weights, scales, sums, maps and bias, padding included */
  uint64_t weight_bytes; /* of it, the packed codes, padding included */
  uint32_t isa;          /* SONIQ_ISA_* in use */
  uint32_t reserved;
} soniq_matrix_info;

#define SONIQ_MATRIX_INFO_INIT {(uint32_t)sizeof(soniq_matrix_info), 0, 0, 0, 0, 0, 0, 0}

/* Describes a matrix. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_get_info(const soniq_matrix *matrix,
                                                           soniq_matrix_info *info, soniq_error **error);

/* What multiplies `block_rows` rows by this matrix; soniq_kernel_report.node is "". Text valid until the
 * matrix is destroyed. */
SONIQ_API SONIQ_CHECKED soniq_status soniq_matrix_get_kernel(const soniq_matrix *matrix,
                                                             soniq_kernel_report *report,
                                                             soniq_error **error);

#ifdef __cplusplus
}
#endif

#endif /* SONIQ_H */
