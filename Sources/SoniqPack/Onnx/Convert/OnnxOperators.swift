import SoniqGraph

/// Makes the draft's nodes for one ONNX node; returns the values of its outputs.
typealias OnnxConverter = @Sendable (inout OnnxConversion) throws(PackError) -> [ValueID]

/// Every operator that is known, one row each.
enum OnnxOperators {
  static func converter(of node: OnnxNode) -> OnnxConverter? {
    switch node.domain {
    case "": table[node.type]
    case "soniq": trained[node.type]
    case "com.microsoft": contributed[node.type]
    case "com.microsoft.nchwc": machineBound
    default: nil
    }
  }

  /// The names of the operators, sorted.
  package static var names: [String] { table.keys.sorted() }

  private static let table: [String: OnnxConverter] = {
    var table: [String: OnnxConverter] = [:]
    for (name, converter) in elementwise + layout + sums + images + products + signals + control + rest {
      table[name] = converter
    }
    return table
  }()

  /// What soniq.qat exports (docs/training.md).
  private static let trained: [String: OnnxConverter] = [
    "QuantLinear": { c throws(PackError) in try c.trainedLinear() },
    "QuantConv": { c throws(PackError) in try c.trainedConvolution() },
    "QuantEmbedding": { c throws(PackError) in try c.trainedEmbedding() },
  ]

  private typealias Row = (String, OnnxConverter)

  private static let elementwise: [Row] = [
    ("Relu", element(.relu)), ("Swish", { c throws(PackError) in try c.swish() }),
    ("Sigmoid", element(.sigmoid)), ("Tanh", element(.tanh)),
    ("Gelu", { c throws(PackError) in try c.gelu() }),
    (
      "LeakyRelu",
      { c throws(PackError) in try c.element(.leakyRelu(alpha: c.node.real("alpha", default: 0.01))) }
    ),
    ("Elu", { c throws(PackError) in try c.element(.elu(alpha: c.node.real("alpha", default: 1))) }),
    ("Selu", { c throws(PackError) in try c.selu() }), ("Celu", { c throws(PackError) in try c.celu() }),
    ("HardSigmoid", { c throws(PackError) in try c.hardSigmoid() }), ("HardSwish", element(.hardSwish)),
    ("ThresholdedRelu", { c throws(PackError) in try c.thresholdedRelu() }),
    ("Softplus", element(.softplus)), ("Softsign", { c throws(PackError) in try c.softsign() }),
    ("Mish", element(.mish)), ("PRelu", binary(.prelu)), ("Clip", { c throws(PackError) in try c.clip() }),
    ("Abs", element(.absolute)), ("Neg", element(.negative)), ("Reciprocal", element(.reciprocal)),
    ("Sqrt", element(.squareRoot)), ("Exp", element(.exponential)), ("Log", element(.logarithm)),
    ("Erf", element(.erf)),
    ("Sin", element(.sine)), ("Cos", element(.cosine)), ("Tan", element(.tangent)),
    ("Asin", element(.arcSine)), ("Acos", element(.arcCosine)), ("Atan", element(.arcTangent)),
    ("Sinh", element(.hyperbolicSine)), ("Cosh", element(.hyperbolicCosine)),
    ("Asinh", element(.inverseHyperbolicSine)), ("Acosh", element(.inverseHyperbolicCosine)),
    ("Atanh", element(.inverseHyperbolicTangent)),
    ("Floor", element(.floor)), ("Ceil", element(.ceiling)), ("Round", element(.round)),
    ("Sign", element(.sign)),
    ("Not", { c throws(PackError) in [try c.tensor(.unary(.not), c.input(0))] }),
    ("IsNaN", { c throws(PackError) in try c.isNaN() }),
    ("Add", binary(.add)), ("Sub", binary(.subtract)), ("Mul", binary(.multiply)), ("Div", binary(.divide)),
    ("Pow", { c throws(PackError) in try c.power() }), ("Mod", { c throws(PackError) in try c.modulo() }),
    ("Min", many(.minimum)), ("Max", many(.maximum)), ("Sum", many(.add)),
    ("BitwiseAnd", { c throws(PackError) in try c.bitwise(.bitAnd) }),
    ("BitwiseOr", { c throws(PackError) in try c.bitwise(.bitOr) }),
    ("BitwiseXor", { c throws(PackError) in try c.bitwise(.bitXor) }),
    ("BitwiseNot", { c throws(PackError) in try c.bitwiseNot() }),
    ("BitShift", { c throws(PackError) in try c.bitShift() }),
    ("IsInf", { c throws(PackError) in try c.isInfinite() }),
    ("Shrink", { c throws(PackError) in try c.shrink() }),
    ("Mean", { c throws(PackError) in try c.mean() }),
    ("Equal", binary(.equal)), ("Less", binary(.less)), ("LessOrEqual", binary(.lessOrEqual)),
    ("Greater", binary(.greater)), ("GreaterOrEqual", binary(.greaterOrEqual)),
    ("And", binary(.and)), ("Or", binary(.or)), ("Xor", binary(.xor)),
    ("Where", { c throws(PackError) in try c.select() }), ("Cast", { c throws(PackError) in try c.cast() }),
    ("CastLike", { c throws(PackError) in try c.castLike() }),
    ("Identity", { c throws(PackError) in [try c.input(0)] }),
    ("Dropout", { c throws(PackError) in try c.dropout() }),
  ]

  private static let layout: [Row] = [
    ("Constant", { c throws(PackError) in try c.constantNode() }),
    ("ConstantOfShape", { c throws(PackError) in try c.constantOfShape() }),
    ("Shape", { c throws(PackError) in try c.shapeOf() }),
    ("Size", { c throws(PackError) in try c.sizeOf() }),
    ("Range", { c throws(PackError) in try c.range() }),
    ("Reshape", { c throws(PackError) in try c.reshapeNode() }),
    ("Flatten", { c throws(PackError) in try c.flatten() }),
    ("Squeeze", { c throws(PackError) in try c.squeeze() }),
    ("Unsqueeze", { c throws(PackError) in try c.unsqueeze() }),
    ("Transpose", { c throws(PackError) in try c.transpose() }),
    ("Concat", { c throws(PackError) in try c.concat() }),
    ("Split", { c throws(PackError) in try c.split() }),
    ("Slice", { c throws(PackError) in try c.slice() }),
    ("Gather", { c throws(PackError) in try c.gather() }),
    ("GatherElements", { c throws(PackError) in try c.gatherElements() }),
    ("GatherND", { c throws(PackError) in try c.gatherND() }),
    ("Scatter", { c throws(PackError) in try c.scatterElements() }),
    ("ScatterElements", { c throws(PackError) in try c.scatterElements() }),
    ("ScatterND", { c throws(PackError) in try c.scatterND() }),
    ("CenterCropPad", { c throws(PackError) in try c.centerCropPad() }),
    ("Col2Im", { c throws(PackError) in try c.col2Im() }),
    ("Expand", { c throws(PackError) in try c.expand() }), ("Tile", { c throws(PackError) in try c.tile() }),
    ("Pad", { c throws(PackError) in try c.pad() }),
    ("DepthToSpace", { c throws(PackError) in try c.depthToSpace() }),
    ("SpaceToDepth", { c throws(PackError) in try c.spaceToDepth() }),
    ("OneHot", { c throws(PackError) in try c.oneHot() }),
    ("Compress", { c throws(PackError) in try c.compress() }),
    ("EyeLike", { c throws(PackError) in try c.eyeLike() }),
    ("ReverseSequence", { c throws(PackError) in try c.reverseSequence() }),
    ("NonZero", { c throws(PackError) in try c.nonZero() }),
    ("NonMaxSuppression", { c throws(PackError) in try c.sizedByValues() }),
    ("Unique", { c throws(PackError) in try c.sizedByValues() }),
    ("Trilu", { c throws(PackError) in try c.triangle() }),
  ]

  private static let sums: [Row] = [
    ("ReduceSum", reduce(.sum)), ("ReduceMean", reduce(.mean)), ("ReduceMax", reduce(.maximum)),
    ("ReduceMin", reduce(.minimum)), ("ReduceProd", reduce(.product)),
    ("ReduceSumSquare", reduce(.sumOfSquares)),
    ("ReduceL1", reduce(.l1)), ("ReduceL2", reduce(.l2)),
    ("ReduceLogSum", { c throws(PackError) in try c.reduceLogSum() }),
    ("ReduceLogSumExp", { c throws(PackError) in try c.reduceLogSumExp() }),
    ("Softmax", { c throws(PackError) in try c.softmax(isLogarithm: false) }),
    ("LogSoftmax", { c throws(PackError) in try c.softmax(isLogarithm: true) }),
    ("Hardmax", { c throws(PackError) in try c.hardmax() }),
    ("CumSum", { c throws(PackError) in try c.cumulativeSum() }),
    ("ArgMax", { c throws(PackError) in try c.argument(isMinimum: false) }),
    ("ArgMin", { c throws(PackError) in try c.argument(isMinimum: true) }),
    ("TopK", { c throws(PackError) in try c.topK() }),
  ]

  private static let images: [Row] = [
    ("Conv", { c throws(PackError) in try c.convolution() }),
    ("ConvTranspose", { c throws(PackError) in try c.transposedConvolution() }),
    ("MaxPool", { c throws(PackError) in try c.maximumPool() }),
    ("AveragePool", { c throws(PackError) in try c.pool(.average) }),
    ("GlobalAveragePool", { c throws(PackError) in try c.globalPool(.mean) }),
    ("GlobalMaxPool", { c throws(PackError) in try c.globalPool(.maximum) }),
    ("LpPool", { c throws(PackError) in try c.lpPool() }),
    ("GlobalLpPool", { c throws(PackError) in try c.globalLpPool() }),
    ("MaxUnpool", { c throws(PackError) in try c.maxUnpool() }),
    ("DeformConv", { c throws(PackError) in try c.deformableConvolution() }),
    ("GridSample", { c throws(PackError) in try c.gridSample() }),
    ("AffineGrid", { c throws(PackError) in try c.affineGrid() }),
    ("RoiAlign", { c throws(PackError) in try c.roiAlign() }),
    ("Resize", { c throws(PackError) in try c.resize() }),
    ("Upsample", { c throws(PackError) in try c.resize() }),
  ]

  private static let products: [Row] = [
    ("Attention", { c throws(PackError) in try c.standardAttention() }),
    ("RotaryEmbedding", { c throws(PackError) in try c.rotaryEmbedding() }),
    ("Einsum", { c throws(PackError) in try c.einsum() }),
    ("MatMul", { c throws(PackError) in try c.matmul() }), ("Gemm", { c throws(PackError) in try c.gemm() }),
  ]

  private static let signals: [Row] = [
    ("DFT", { c throws(PackError) in try c.fourier() }),
    ("STFT", { c throws(PackError) in try c.shortFourier() }),
    ("HannWindow", { c throws(PackError) in try c.window([0.5, -0.5]) }),
    ("HammingWindow", { c throws(PackError) in try c.window([25.0 / 46, -21.0 / 46]) }),
    ("BlackmanWindow", { c throws(PackError) in try c.window([0.42, -0.5, 0.08]) }),
    ("MelWeightMatrix", { c throws(PackError) in try c.melWeights() }),
  ]

  private static let control: [Row] = [
    ("If", { c throws(PackError) in try c.branch() }), ("Loop", { c throws(PackError) in try c.loop() }),
    ("Scan", { c throws(PackError) in try c.scan() }),
  ]

  private static let rest: [Row] = [
    ("LSTM", { c throws(PackError) in try c.recurrence(.lstm) }),
    ("GRU", { c throws(PackError) in try c.recurrence(.gru) }),
    ("RNN", { c throws(PackError) in try c.recurrence(.rnn) }),
    ("BatchNormalization", { c throws(PackError) in try c.batchNorm() }),
    ("LayerNormalization", { c throws(PackError) in try c.layerNorm() }),
    ("RMSNormalization", { c throws(PackError) in try c.rmsNorm() }),
    ("SimplifiedLayerNormalization", { c throws(PackError) in try c.rmsNorm() }),
    ("InstanceNormalization", { c throws(PackError) in try c.instanceNorm() }),
    ("GroupNormalization", { c throws(PackError) in try c.groupNorm() }),
    ("LRN", { c throws(PackError) in try c.localResponseNorm() }),
    ("MeanVarianceNormalization", { c throws(PackError) in try c.meanVarianceNorm() }),
    ("LpNormalization", { c throws(PackError) in try c.lpNorm() }),
    ("QuantizeLinear", { c throws(PackError) in try c.quantizeLinear() }),
    ("DequantizeLinear", { c throws(PackError) in try c.dequantizeLinear() }),
    ("DynamicQuantizeLinear", { c throws(PackError) in try c.dynamicQuantizeLinear() }),
    ("MatMulInteger", { c throws(PackError) in try c.matmulInteger() }),
    ("ConvInteger", { c throws(PackError) in try c.convInteger() }),
    ("QLinearMatMul", { c throws(PackError) in try c.codedMatmul() }),
    ("QLinearConv", { c throws(PackError) in try c.codedConvolution() }),
  ]

  private static func element(_ kind: ElementKind) -> OnnxConverter {
    { c throws(PackError) in try c.element(ElementFunction(kind)) }
  }
  private static func binary(_ function: BinaryFunction) -> OnnxConverter {
    { c throws(PackError) in [try c.binary(function, c.input(0), c.input(1))] }
  }
  private static func many(_ function: BinaryFunction) -> OnnxConverter {
    { c throws(PackError) in [try c.chain(function)] }
  }
  private static func reduce(_ function: ReduceFunction) -> OnnxConverter {
    { c throws(PackError) in try c.reduce(function) }
  }
}
