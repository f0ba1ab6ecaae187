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
  /// The same of a dimension; where a window does not fit, the size is below 1.
  package func outputHeight(_ size: Dimension) -> SizeExpression {
    output(size, padding: top + bottom, taps: height, stride: strideHeight, dilation: dilationHeight)
  }
  package func outputWidth(_ size: Dimension) -> SizeExpression {
    output(size, padding: left + right, taps: width, stride: strideWidth, dilation: dilationWidth)
  }
  private func output(
    _ size: Dimension, padding: Int, taps: Int, stride: Int, dilation: Int
  ) -> SizeExpression {
    let room = padding - dilation * (taps - 1) - 1 + stride
    return SizeExpression(SizeExpression(size).terms + [SizeTerm(room)], divisor: stride)
  }
  private static func output(_ padded: Int, taps: Int, stride: Int, dilation: Int) -> Int {
    let room = padded - dilation * (taps - 1) - 1
    return room < 0 ? 0 : room / stride + 1
  }
}

/// The longest side of an image that a window slides over: sums of positions stay far from overflow.
package let maximumImageSide = 1 << 20

extension Window {
  /// Sizes and strides of at least 1, padding of at least 0, all small enough to compute with.
  package var isValid: Bool {
    let lengths = [height, width, strideHeight, strideWidth, dilationHeight, dilationWidth]
    let padding = [top, left, bottom, right]
    return lengths.allSatisfy { (1...maximumTaps).contains($0) } && taps <= maximumTaps
      && padding.allSatisfy { (0...maximumTaps).contains($0) }
  }
}
