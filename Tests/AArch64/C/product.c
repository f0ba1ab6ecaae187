// One product of a matrix, called as often as asked: what an emulator counts the instructions of.
#include "check.h"

static void multiply_level(const kernel *kernel, product shape, uint32_t times) {
  const uint32_t form = kernel->matrix.form, panels = shape.outputs / 16, bits = shape.weight_bits;
  snq_matmul_args args = {0};
  snq_row_params *rows = zeros(sizeof *rows * shape.rows, 4);
  uint32_t i;
  args.layout = kernel->matrix.layout;
  args.planeStride = 2 * (size_t)shape.channels;
  args.panelStride = panel_bytes(args.layout, bits, shape.channels);
  args.weights = zeros(args.panelStride * panels, 64);
  args.weightBits = bits;
  args.activationBits = shape.activation_bits;
  args.channels = args.paddedChannels = shape.channels;
  args.outputs = shape.outputs;
  // As most matrices have it: weights around zero, activations anywhere.
  args.weightMultiplier = bits == 8 ? 1 : 2;
  args.weightConstant = bits == 8 ? 0 : (1 << bits) - 1;
  args.activationMultiplier = 1;
  args.form = form;
  args.codeStride = form == SNQ_CODES        ? shape.channels
                    : form == SNQ_BIT_PLANES ? rounded_up(shape.channels / 8 * shape.activation_bits, 64)
                    : form == SNQ_TABLES     ? 4 * (size_t)shape.channels
                                             : 8 * (size_t)shape.channels;
  args.codes = zeros(args.codeStride * shape.rows, 64);
  args.weightScale = zeros(4 * (size_t)shape.outputs, 4);
  args.storedSum = zeros(4 * (size_t)shape.outputs, 4);
  for (i = 0; i < shape.rows; i++) rows[i].constant = 1 << (shape.activation_bits - 1);
  args.rows = rows;
  args.rowStride = 1;
  args.output = zeros(4 * (size_t)shape.rows * shape.outputs, 4);
  args.outputStride = shape.outputs;
  args.scratch = room(SNQ_MATMUL_SCRATCH_NEON, 64);
  for (i = 0; i < times; i++) ((snq_matmul_function)kernel->function)(&args, 0, shape.rows, 0, panels);
}

static void multiply_groups(const kernel *kernel, product shape, uint32_t times) {
  const uint32_t panels = shape.outputs / 16, groups = shape.channels / shape.group_length;
  snq_group_matmul_args args = {0};
  uint32_t i;
  args.layout = kernel->matrix.layout;
  args.panelStride = panel_bytes(args.layout, shape.weight_bits, shape.channels);
  args.weights = zeros(args.panelStride * panels, 64);
  args.weightBits = shape.weight_bits;
  args.channels = args.paddedChannels = shape.channels;
  args.outputs = shape.outputs;
  args.groupLength = shape.group_length;
  // As files of decoders have it most often.
  args.weightMultiplier = 1;
  args.weightConstant = 1 << (shape.weight_bits - 1);
  args.scaleType = SNQ_GROUP_FLOAT16;
  args.groupScales = zeros(32 * (size_t)groups * panels, 64);
  args.codes = zeros((size_t)shape.rows * shape.channels, 1);
  args.codeStride = shape.channels;
  args.groupSums = zeros(4 * (size_t)shape.rows * groups, 4);
  args.groupSumStride = groups;
  args.rowScales = zeros(4 * (size_t)shape.rows, 4);
  args.rowScaleStride = 1;
  args.output = zeros(4 * (size_t)shape.rows * shape.outputs, 4);
  args.outputStride = shape.outputs;
  args.scratch = room(SNQ_GROUP_SCRATCH_NEON, 64);
  for (i = 0; i < times; i++) ((snq_group_matmul_function)kernel->function)(&args, 0, shape.rows, 0, panels);
}

int multiply(const kernel *kernel, product shape, uint32_t times) {
  const int is_grouped = kernel->check == check_groups;
  if (!kernel->function || (!is_grouped && kernel->check != check_matrix)) return 0;
  if (!shape.rows || !shape.outputs || !shape.channels || shape.outputs % 16 || shape.channels % 128) return 0;
  if (shape.weight_bits < kernel->matrix.least_bits || shape.weight_bits > kernel->matrix.most_bits) return 0;
  if (shape.activation_bits < kernel->matrix.least_activation_bits) return 0;
  if (shape.activation_bits > kernel->matrix.most_activation_bits) return 0;
  if (is_grouped != (shape.group_length != 0)) return 0;
  if (is_grouped) {
    multiply_groups(kernel, shape, times);
  } else {
    multiply_level(kernel, shape, times);
  }
  return 1;
}
