/// softmax(q k^T * scale + bias) v of every head.
///
/// The inputs of a node are q, k and v side by side, [B,S,3H]; a mask of the keys, int32 [B,S], when there is one; and
/// the bias when `hasBias`.
package struct Attention: Sendable, Hashable {
  package var heads: Int
  package var scale: Float
  package var precision: AttentionPrecision
  /// A position sees the keys up to its own only.
  package var isCausal: Bool
  /// The last input is added to the scores: float32 [B or 1, heads or 1, S or 1, S].
  package var hasBias: Bool

  package init(
    heads: Int, scale: Float, precision: AttentionPrecision = .float32, isCausal: Bool = false,
    hasBias: Bool = false
  ) {
    self.heads = heads
    self.scale = scale
    self.precision = precision
    self.isCausal = isCausal
    self.hasBias = hasBias
  }

  /// Whether a tensor of this shape can be the bias of scores [batch, heads, positions, positions].
  package func takesBias(_ shape: [Dimension], batch: Dimension, positions: Dimension) -> Bool {
    shape.count == 4 && [batch, .fixed(1)].contains(shape[0])
      && [.fixed(heads), .fixed(1)].contains(shape[1])
      && [positions, .fixed(1)].contains(shape[2]) && shape[3] == positions
  }
}

/// Arithmetic of the two products of attention (docs/numerics.md).
package enum AttentionPrecision: UInt8, Sendable, Hashable {
  case float32 = 1
  case int8 = 2
}
