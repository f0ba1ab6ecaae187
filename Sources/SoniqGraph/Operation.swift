/// Elementwise functions. Raw values are those of the file format and of the kernel contract.
package enum ActivationFunction: UInt8, Sendable, Hashable, CaseIterable {
  case geluErf = 1
  case geluTanh = 2
  case relu = 3
  case silu = 4
  case sigmoid = 5
  case tanh = 6
  /// min(max(x, 0), 6)
  case relu6 = 7
  /// x * min(max(x / 6 + 0.5, 0), 1)
  case hardSwish = 8
}

/// What a node computes. Values are float32 unless said otherwise; B, S are dynamic sizes.
package enum Operation: Sendable {
  /// inputs: ids int32 [B,S] -> [B,S,channels]. An id out of range is an error of the run. The constant
  /// is a table, or a dense float32 [rows, channels].
  case embedding(table: ConstantID)
  /// inputs: any int32 [B,S] (for its shape) -> int32 [B,S], value s at [b,s].
  case positions
  /// inputs: [..., inputs of the matrix] -> [..., outputs]. The constant is a matrix or a floatMatrix.
  case linear(matrix: ConstantID)
  /// inputs: x [..., K] -> [..., K]; gamma and beta are dense float32 [K].
  case layerNorm(gamma: ConstantID, beta: ConstantID, epsilon: Float)
  /// inputs: x -> same shape.
  case activation(ActivationFunction)
  /// inputs: two of one shape -> same shape.
  case add
  /// inputs: qkv [B,S,3*heads*headDim] (q, then k, then v) and optionally mask int32 [B,S] (0 = ignore)
  /// -> [B,S,heads*headDim].
  case attention(Attention)
  /// inputs: x [B,S,K] and optionally mask int32 [B,S] -> [B,K], mean over the positions not masked.
  case meanPool
  /// inputs: [..., K] -> same shape, each row divided by max(its Euclidean norm, epsilon).
  case l2Normalize(epsilon: Float)
  /// inputs: x [B,H,W,C] -> [B,H',W',O], H and W fixed. One constant for each group, a matrix or a floatMatrix of
  /// O / groups outputs whose inputs are ordered [tap row][tap column][channel of the group]. A matrix has its
  /// activations' scales fixed (a pixel serves many outputs).
  case convolution(Window, weights: [ConstantID])
  /// inputs: x [B,H,W,C] -> [B,H',W',C], each channel with taps of its own. Weights: dense float32 [taps, C] or
  /// packed (`Constant.depthwise`); bias: dense float32 [C].
  case depthwiseConvolution(Window, weights: ConstantID, bias: ConstantID?)
  case tensor(TensorOperation)
}
