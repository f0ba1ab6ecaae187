import SoniqGraph

extension OnnxOperators {
  /// The domain com.microsoft: what ONNX Runtime's quantisation tools and its optimiser write.
  static let contributed: [String: OnnxConverter] = [
    "DynamicQuantizeMatMul": { c throws(PackError) in try c.dynamicMatmul() },
    "DynamicQuantizeLSTM": { c throws(PackError) in try c.dynamicLSTM() },
    "MatMulIntegerToFloat": { c throws(PackError) in try c.integerMatmulToFloat() },
    "QuantizeLinear": { c throws(PackError) in try c.quantizeLinear() },
    "DequantizeLinear": { c throws(PackError) in try c.dequantizeLinear() },
    "MatMulNBits": { c throws(PackError) in try c.blockMatmul() },
    "GatherBlockQuantized": { c throws(PackError) in try c.blockGather() },
    "QGemm": { c throws(PackError) in try c.codedGemm() },
    "QLinearAdd": { c throws(PackError) in try c.codedBinary("Add") },
    "QLinearMul": { c throws(PackError) in try c.codedBinary("Mul") },
    "QLinearLeakyRelu": { c throws(PackError) in try c.codedUnary("LeakyRelu") },
    "QLinearSigmoid": { c throws(PackError) in try c.codedUnary("Sigmoid") },
    "QLinearSoftmax": { c throws(PackError) in try c.codedUnary("Softmax") },
    "QLinearAveragePool": { c throws(PackError) in try c.codedUnary("AveragePool") },
    "QLinearGlobalAveragePool": { c throws(PackError) in try c.codedUnary("GlobalAveragePool") },
    "QLinearConcat": { c throws(PackError) in try c.codedConcat() },
    "QAttention": { c throws(PackError) in try c.codedAttention() },
    "Attention": { c throws(PackError) in try c.attention() },
    "MultiHeadAttention": { c throws(PackError) in try c.multiHeadAttention() },
    "RotaryEmbedding": { c throws(PackError) in try c.rotaryEmbedding() },
    "GroupQueryAttention": { c throws(PackError) in try c.groupedAttention() },
    "EmbedLayerNormalization": { c throws(PackError) in try c.embedNorm() },
    "QEmbedLayerNormalization": { c throws(PackError) in try c.embedNorm(isCoded: true) },
    "SkipLayerNormalization": { c throws(PackError) in try c.skipNorm("LayerNormalization") },
    "SkipSimplifiedLayerNormalization": { c throws(PackError) in
      try c.skipNorm("SimplifiedLayerNormalization")
    },
    "Gelu": { c throws(PackError) in try c.biasActivation(.geluErf) },
    "BiasGelu": { c throws(PackError) in try c.biasActivation(.geluErf) },
    "FastGelu": { c throws(PackError) in try c.biasActivation(.geluTanh) },
    "QuickGelu": { c throws(PackError) in try c.quickGelu() },
    "BiasAdd": { c throws(PackError) in try c.biasAdd() },
    "BiasSplitGelu": { c throws(PackError) in try c.biasSplitGelu() },
    "FusedMatMul": { c throws(PackError) in try c.fusedMatmul() },
    "TransposeMatMul": { c throws(PackError) in try c.fusedMatmul() },
    "FusedGemm": { c throws(PackError) in try c.fusedGemm() },
    "FusedConv": { c throws(PackError) in try c.fusedConvolution() },
    "NhwcConv": machineBound, "NhwcFusedConv": machineBound, "NhwcMaxPool": machineBound,
  ]

  static let machineBound: OnnxConverter = { c throws(PackError) in try c.machineBound() }
}
