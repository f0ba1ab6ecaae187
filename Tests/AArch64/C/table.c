// Which kernels there are, and how each is tested.
#include "kernel.h"

#ifdef PORTABLE_ONLY
#define FUNCTION(name) 0
#else
#define FUNCTION(name) (any_function)name
#endif
#define NO_MATRIX {0, 0, 0, 0, 0, 0, 0}
#define ROWS(operation, weight) \
  {"snq_" #operation "__neon", "neon", FUNCTION(snq_##operation##__neon), check_##operation, weight, NO_MATRIX}
#define MATRIX(shape, set, ...) \
  {"snq_matmul_" #shape "__" #set, #set, FUNCTION(snq_matmul_##shape##__##set), check_matrix, 4, __VA_ARGS__}
#define GROUPS(shape, set, ...) \
  {"snq_group_matmul_" #shape "__" #set, #set, FUNCTION(snq_group_matmul_##shape##__##set), check_groups, 3, \
   __VA_ARGS__}

// Layout and its bits; form of the codes and their bits; segments.
#define BYTES {SNQ_BYTES, 5, 8, SNQ_CODES, 1, 8, 1}
#define NIBBLES {SNQ_NIBBLES, 4, 4, SNQ_CODES, 1, 8, 1}
#define PLANES {SNQ_PLANES, 1, 7, SNQ_CODES, 1, 8, 1}
#define BIT_BY_BIT {SNQ_PLANES, 1, 3, SNQ_BIT_PLANES, 1, 8, 0}
#define BY_TABLES {SNQ_PLANES, 1, 7, SNQ_TABLES, 1, 5, 0}
#define BY_HALF_TABLES {SNQ_PLANES, 1, 7, SNQ_HALF_TABLES, 6, 8, 0}
#define GROUPED_BYTES {SNQ_UNSIGNED_BYTES, 5, 8, SNQ_CODES, 8, 8, 0}
#define GROUPED_NIBBLES {SNQ_NIBBLES, 1, 4, SNQ_CODES, 8, 8, 0}

const char *const instruction_sets[INSTRUCTION_SETS] = {"neon", "dotprod", "i8mm"};

const kernel kernels[] = {
    ROWS(quantize, 20),
    ROWS(quantize_groups, 20),
    ROWS(take_codes, 20),
    ROWS(prepare, 20),
    ROWS(lookup, 20),
    ROWS(layer_norm, 20),
    ROWS(normalize, 10),
    ROWS(add, 10),
    ROWS(activation, 10),
    ROWS(pool, 10),
    ROWS(depthwise, 10),
    ROWS(depthwise_float, 10),
    ROWS(attention_integer, 2),
    ROWS(attention_float, 2),
    ROWS(append_codes, 4),
    ROWS(attention_codes, 2),
    {"snq_float_matmul_4x1__neon", "neon", FUNCTION(snq_float_matmul_4x1__neon), check_float_matmul, 10,
     NO_MATRIX},
    MATRIX(bytes_4x1, neon, BYTES),
    MATRIX(nibbles_2x1, neon, NIBBLES),
    MATRIX(planes_2x1, neon, PLANES),
    MATRIX(bit_serial_4x1, neon, BIT_BY_BIT),
    MATRIX(tables_8x1, neon, BY_TABLES),
    MATRIX(half_tables_4x1, neon, BY_HALF_TABLES),
    GROUPS(bytes_4x1, neon, GROUPED_BYTES),
    GROUPS(nibbles_4x1, neon, GROUPED_NIBBLES),

    MATRIX(bytes_4x1, dotprod, BYTES),
    MATRIX(nibbles_4x1, dotprod, NIBBLES),
    MATRIX(planes_4x1, dotprod, PLANES),
    GROUPS(bytes_4x1, dotprod, GROUPED_BYTES),
    GROUPS(nibbles_4x1, dotprod, GROUPED_NIBBLES),

    MATRIX(bytes_6x1, i8mm, BYTES),
    MATRIX(nibbles_6x1, i8mm, NIBBLES),
    MATRIX(planes_6x1, i8mm, PLANES),
    GROUPS(bytes_4x1, i8mm, GROUPED_BYTES),
    GROUPS(nibbles_4x1, i8mm, GROUPED_NIBBLES),
};
const size_t kernel_count = sizeof kernels / sizeof kernels[0];
