// Weights in the layouts of CKernelABI.h and group_matmul.h, by their definition.
#include "kernel.h"

uint32_t tile_channels(uint32_t layout) { return layout == SNQ_PLANES ? 32 : layout == SNQ_NIBBLES ? 8 : 4; }

size_t panel_bytes(uint32_t layout, uint32_t bits, uint32_t padded_channels) {
  const size_t channels = padded_channels;
  return layout == SNQ_PLANES ? 2 * channels * bits : layout == SNQ_NIBBLES ? 8 * channels : 16 * channels;
}

void put_weight(uint8_t *panel, uint32_t layout, uint32_t bits, size_t plane_stride, uint32_t output,
                uint32_t channel, uint32_t code) {
  const uint32_t lane = output % SNQ_PANEL_OUTPUTS * 4;
  uint32_t plane;
  switch (layout) {
    case SNQ_NIBBLES:
      panel[channel / 8 * 64 + lane + channel % 4] |= (uint8_t)(code << channel % 8 / 4 * 4);
      break;
    case SNQ_PLANES:
      for (plane = 0; plane < bits; plane++) {
        const uint32_t bit = code >> (bits - 1 - plane) & 1;
        panel[plane * plane_stride + channel / 32 * 64 + lane + channel % 16 / 4] |=
            (uint8_t)(bit << (channel % 32 / 16 * 4 + channel % 4));
      }
      break;
    default: panel[channel / 4 * 64 + lane + channel % 4] = (uint8_t)code;
  }
}
