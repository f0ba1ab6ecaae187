#include "onednn_conv.h"

#include <omp.h>

#include <random>
#include <vector>

#include "isa.h"

using dnnl::convolution_forward;
using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;
using Dimensions = memory::dims;

namespace {

Dimensions WeightDimensions(const Convolution& c) {
  const int64_t outputs = c.outputs / c.groups, channels = c.channels / c.groups;
  return c.groups == 1 ? Dimensions{outputs, channels, c.kernel, c.kernel}
                       : Dimensions{c.groups, outputs, channels, c.kernel, c.kernel};
}

dnnl::primitive_attr BytesAttributes(const Convolution& c) {
  dnnl::primitive_attr attributes;
  attributes.set_output_scales(1 << 1, std::vector<float>(size_t(c.outputs), 1e-3f));
  dnnl::post_ops after;
  after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
  attributes.set_post_ops(after);
  return attributes;
}

}  // namespace

OneDnnConvolution::OneDnnConvolution(const Convolution& c, int64_t batch, Destination destination, int threads)
    : shape_(c), batch_(batch), threads_(threads), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
  omp_set_num_threads(threads);
  const bool to_bytes = destination == Destination::kBytes;
  const Dimensions input{batch, c.channels, c.size, c.size};
  const Dimensions output{batch, c.outputs, c.output_size(), c.output_size()};
  const Dimensions strides{c.stride, c.stride}, padding{c.padding, c.padding};
  const convolution_forward::desc wanted(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto, {input, Type::u8, Tag::any},
      {WeightDimensions(c), Type::s8, Tag::any}, {output, to_bytes ? Type::u8 : Type::s32, Tag::any}, strides, padding,
      padding);
  const convolution_forward::primitive_desc description(
      wanted, to_bytes ? BytesAttributes(c) : dnnl::primitive_attr(), engine_);
  kernel_ = description.impl_info_str();
  plain_source_ = RandomCodes({input, Type::u8, Tag::nchw}, 0, LargestSafeCode());
  source_ = memory(description.src_desc(), engine_);
  dnnl::reorder(plain_source_, source_).execute(stream_, plain_source_, source_);
  const Tag order = c.groups == 1 ? Tag::oihw : Tag::goihw;
  plain_weights_ = RandomCodes({WeightDimensions(c), Type::s8, order}, -127, 127);
  weights_ = memory(description.weights_desc(), engine_);
  dnnl::reorder(plain_weights_, weights_).execute(stream_, plain_weights_, weights_);
  stream_.wait();
  destination_ = memory(description.dst_desc(), engine_);
  convolve_ = convolution_forward(description);
}

memory OneDnnConvolution::RandomCodes(const memory::desc& plain, int lowest, int highest) {
  memory result(plain, engine_);
  std::minstd_rand random(1);
  std::uniform_int_distribution<int> codes(lowest, highest);
  auto* bytes = static_cast<uint8_t*>(result.get_data_handle());
  for (size_t i = 0; i < plain.get_size(); i++) bytes[i] = uint8_t(codes(random));
  return result;
}

void OneDnnConvolution::Run() {
  omp_set_num_threads(threads_);
  convolve_.execute(stream_,
                    {{DNNL_ARG_SRC, source_}, {DNNL_ARG_WEIGHTS, weights_}, {DNNL_ARG_DST, destination_}});
  stream_.wait();
}

bool OneDnnConvolution::IsRight(int count) const {
  const Convolution& c = shape_;
  const int64_t side = c.output_size(), channels = c.channels / c.groups, outputs = c.outputs / c.groups;
  memory sums({{batch_, c.outputs, side, side}, Type::s32, Tag::nchw}, engine_);
  dnnl::stream stream(engine_);
  memory destination = destination_;
  dnnl::reorder(destination, sums).execute(stream, destination, sums);
  stream.wait();
  const auto* codes = static_cast<const uint8_t*>(plain_source_.get_data_handle());
  const auto* weights = static_cast<const int8_t*>(plain_weights_.get_data_handle());
  const auto* results = static_cast<const int32_t*>(sums.get_data_handle());
  std::minstd_rand random(2);
  for (; count > 0; count--) {
    const auto pick = [&](int64_t below) { return int64_t(random() % uint64_t(below)); };
    const int64_t output = pick(c.outputs), row = pick(side), column = pick(side), image = pick(batch_);
    int32_t sum = 0;
    for (int64_t channel = 0; channel < channels; channel++) {
      const int64_t plane = image * c.channels + output / outputs * channels + channel;
      for (int64_t tap = 0; tap < c.kernel * c.kernel; tap++) {
        const int64_t y = row * c.stride - c.padding + tap / c.kernel, x = column * c.stride - c.padding + tap % c.kernel;
        if (y < 0 || x < 0 || y >= c.size || x >= c.size) continue;
        sum += int32_t(codes[(plane * c.size + y) * c.size + x]) *
               weights[(output * channels + channel) * c.kernel * c.kernel + tap];
      }
    }
    if (sum != results[((image * c.outputs + output) * side + row) * side + column]) return false;
  }
  return true;
}
