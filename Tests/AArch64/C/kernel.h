// The kernels under test.
#ifndef SONIQ_TEST_KERNEL_H
#define SONIQ_TEST_KERNEL_H

#include "CKernelABI.h"

// To be cast to the type of its operation.
typedef void (*any_function)(void);

// What a kernel's row in SoniqKernels/Registry says of the matrices that it takes.
typedef struct {
  uint32_t layout, least_bits, most_bits;
  uint32_t form, least_activation_bits, most_activation_bits;
  int takes_segments;
} matrix_form;

typedef struct kernel {
  const char *name;
  const char *instruction_set;
  // Null in the program that knows the results of the portable kernels alone.
  any_function function;
  // Runs one case.
  void (*check)(const struct kernel *kernel);
  // Cases for each one that is asked for: what is done fast is done more often.
  uint32_t weight;
  matrix_form matrix;
} kernel;

extern const kernel kernels[];
extern const size_t kernel_count;

// In the order in which each has what those before it have.
extern const char *const instruction_sets[];
enum { INSTRUCTION_SETS = 3 };

void check_quantize(const kernel *kernel);
void check_quantize_groups(const kernel *kernel);
void check_take_codes(const kernel *kernel);
void check_prepare(const kernel *kernel);
void check_lookup(const kernel *kernel);
void check_layer_norm(const kernel *kernel);
void check_normalize(const kernel *kernel);
void check_add(const kernel *kernel);
void check_activation(const kernel *kernel);
void check_pool(const kernel *kernel);
void check_depthwise(const kernel *kernel);
void check_depthwise_float(const kernel *kernel);
void check_float_matmul(const kernel *kernel);
void check_attention_integer(const kernel *kernel);
void check_attention_float(const kernel *kernel);
void check_append_codes(const kernel *kernel);
void check_attention_codes(const kernel *kernel);
void check_matrix(const kernel *kernel);
void check_groups(const kernel *kernel);

// Puts a stored weight where the layout has it. The panel is zeros before.
void put_weight(uint8_t *panel, uint32_t layout, uint32_t bits, size_t plane_stride, uint32_t output,
                uint32_t channel, uint32_t code);
// Bytes of a panel.
size_t panel_bytes(uint32_t layout, uint32_t bits, uint32_t padded_channels);
// Channels of a tile, which the number of padded channels is a multiple of.
uint32_t tile_channels(uint32_t layout);

// Multiplies a matrix of this shape so many times: for counting instructions. 0 when the kernel multiplies none.
typedef struct {
  uint32_t rows, outputs, channels, weight_bits, activation_bits, group_length;
} product;
int multiply(const kernel *kernel, product shape, uint32_t times);

#endif
