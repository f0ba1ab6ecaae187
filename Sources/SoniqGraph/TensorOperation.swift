/// Functions of one number that `ActivationFunction` does not have. Parameters are those of the case.
package enum UnaryFunction: Sendable, Hashable {
  case leakyRelu(alpha: Float)
  /// min(max(x, low), high); infinite bounds leave that side open.
  case clip(low: Float, high: Float)
  /// min(max(alpha * x + beta, 0), 1)
  case hardSigmoid(alpha: Float, beta: Float)
  /// x * min(max(x / 6 + 0.5, 0), 1)
  case hardSwish
  case elu(alpha: Float)
  case softplus
  case mish
  case absolute, negative, reciprocal, squareRoot, exponential, logarithm, erf
  case floor, ceiling
  /// To nearest, ties to even.
  case round
  case sign
  /// int32 (truth value) -> int32
  case not
}

/// Functions of two numbers of one type. Comparisons give int32 0 or 1; so do the logical ones, which take int32
/// and read everything but 0 as true. int32 arithmetic wraps, a division by 0 gives 0, a negative power
/// truncates. minimum and maximum of a NaN and a number are NaN.
package enum BinaryFunction: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case add = 1, subtract, multiply, divide, minimum, maximum, power
  /// float32: x when x >= 0, else slope * x: inputs x, slope.
  case prelu
  case equal, less, lessOrEqual, greater, greaterOrEqual, and, or, xor
}

package enum ReduceFunction: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case sum = 1, mean, maximum, minimum, product, sumOfSquares, l1, l2
}

package enum PoolFunction: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  /// Of the taps inside the image; -infinity where there is none.
  case maximum = 1
  /// Divides by the taps inside the image; 0 where there is none.
  case average
  /// Divides by all taps, also those on padding.
  case averageOfAllTaps
}

package enum PadMode: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case constant = 1, reflect, edge, wrap
}

package enum ResizeMethod: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case nearest = 1, linear, cubic
}

/// Where a sample of the output lies in the input, as ONNX names them.
package enum ResizeCoordinates: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case halfPixel = 1, pytorchHalfPixel, alignCorners, asymmetric, halfPixelSymmetric
}

package enum NearestRounding: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case roundPreferFloor = 1, roundPreferCeiling, floor, ceiling
}

/// A window that slides over the two inner dimensions of [batch, height, width, channels].
/// One-dimensional windows have height 1.
package struct Window: Sendable, Hashable, BitwiseCopyable {
  package var height: Int
  package var width: Int
  package var strideHeight: Int
  package var strideWidth: Int
  package var dilationHeight: Int
  package var dilationWidth: Int
  /// Rows and columns of padding.
  package var top: Int
  package var left: Int
  package var bottom: Int
  package var right: Int

  package init(
    height: Int, width: Int, strides: (height: Int, width: Int) = (1, 1),
    dilations: (height: Int, width: Int) = (1, 1),
    padding: (top: Int, left: Int, bottom: Int, right: Int) = (0, 0, 0, 0)
  ) {
    self.height = height
    self.width = width
    strideHeight = strides.height
    strideWidth = strides.width
    dilationHeight = dilations.height
    dilationWidth = dilations.width
    top = padding.top
    left = padding.left
    bottom = padding.bottom
    right = padding.right
  }

  package var taps: Int { height * width }

  /// (size + padding - dilation * (taps - 1) - 1) / stride + 1; below 1 when the window does not fit.
  package func outputHeight(_ size: Int) -> Int {
    Self.output(size + top + bottom, taps: height, stride: strideHeight, dilation: dilationHeight)
  }
  package func outputWidth(_ size: Int) -> Int {
    Self.output(size + left + right, taps: width, stride: strideWidth, dilation: dilationWidth)
  }
  private static func output(_ padded: Int, taps: Int, stride: Int, dilation: Int) -> Int {
    let room = padded - dilation * (taps - 1) - 1
    return room < 0 ? 0 : room / stride + 1
  }
}

/// One dimension of a slice: elements begin, begin + step, ... `count` of them; step may be negative.
package struct SliceRange: Sendable, Hashable {
  package var begin: Int
  package var step: Int
  /// nil keeps the dimension whole (begin 0, step 1), as a symbol must be.
  package var count: Int?
  package init(begin: Int, step: Int, count: Int?) {
    self.begin = begin
    self.step = step
    self.count = count
  }
}

/// Operations on whole tensors of any rank from 1 to 8, row-major. Truth values are int32 0 and 1. Axes count
/// from 0 and are in range. Dimensions may be symbols wherever the operation copies them from an input.
package enum TensorOperation: Sendable {
  /// no inputs -> the dense constant.
  case constant(ConstantID)
  /// x float32 -> same shape (`not`: int32).
  case unary(UnaryFunction)
  /// Two of one element type, broadcast as in numpy.
  case binary(BinaryFunction)
  /// condition int32, then two of one element type, broadcast.
  case select
  /// x -> element type, same shape. float32 to int32 truncates and saturates, NaN is 0.
  case cast(ElementType)
  /// x -> dimension i of the output is dimension permutation[i] of x.
  case transpose([Int])
  /// x -> same elements. The shape's symbols are those of x, in their order.
  case reshape([Dimension])
  /// x -> broadcast to the shape, whose symbols are in the shape of an input of the graph.
  case expand([Dimension])
  /// 1 ... `maximumNodeInputs` of one element type and of equal shapes but for the axis, which is fixed.
  case concatenate(axis: Int)
  /// One range for each dimension.
  case slice([SliceRange])
  /// Counts before and after each dimension (not negative), of fixed dimensions where they are not 0. The modes
  /// repeat when a count exceeds the dimension. int32 takes the value as `cast` does.
  case pad(PadMode, before: [Int], after: [Int], value: Float)
  /// data, indices int32 (negative counts from the end; out of range is an error of the run) -> the indices'
  /// dimensions in the place of the axis.
  case gather(axis: Int)
  /// float32 over one or more axes; [1] when no dimension is left.
  case reduce(ReduceFunction, axes: [Int], keepsDimensions: Bool)
  /// float32; the axis may be a symbol.
  case softmax(axis: Int, isLogarithm: Bool)
  /// float32 -> int32: index of the largest (smallest) element, the first or last of equal ones.
  case argument(isMinimum: Bool, axis: Int, keepsDimensions: Bool, selectsLast: Bool)
  /// Sums of all elements of the axis up to each, without itself where it is exclusive; from the other end where it is
  /// reversed. The axis may be a symbol; int32 wraps.
  case cumulate(axis: Int, isExclusive: Bool, isReversed: Bool)
  /// [..., M, K] x [..., K, N] -> [..., M, N] as numpy.matmul, float32. transposesRight: [..., N, K].
  case matmul(transposesRight: Bool)
  /// [B,H,W,C] -> [B,H',W',C]; H, W fixed.
  case pool(PoolFunction, Window)
  /// [B,H,W,C] -> [B,height,width,C]; H, W fixed. The scales (output / input length) may differ from the quotient
  /// of sizes. cubic is that of ONNX with -0.75.
  case resize(
    ResizeMethod, ResizeCoordinates, NearestRounding, height: Int, width: Int, scaleHeight: Float,
    scaleWidth: Float)
  /// Second half of a transposed convolution: [B,H,W,taps * C] -> [B,H',W',C]: tap (y, x) of pixel (i, j) is added to
  /// output pixel (i * strideHeight + y * dilationHeight - top, j * strideWidth + x * dilationWidth - left).
  /// The bias, dense float32 [C], starts the sums.
  case foldTaps(Window, height: Int, width: Int, bias: ConstantID?)
}
