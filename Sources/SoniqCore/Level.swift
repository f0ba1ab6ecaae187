/// The code of one side (activations) of a level and where its scale comes from.
package struct ActivationCode: Sendable, Hashable {
  /// Where the scale of an activation row comes from.
  package enum Scaling: Sendable, Hashable {
    /// Computed from each row while it is quantised.
    case dynamicPerRow
    /// Trained or calibrated; `zero` is the code of 0 (affine) and 0 for bipolar codes.
    case fixed(scale: Float, zero: Int)
    /// Computed from each group of so many neighbouring (sorted) channels of a row: symmetric codes only.
    case dynamicPerGroup(channels: Int)
  }
  package var kind: CodeKind
  package var bits: Int
  package var scaling: Scaling

  package init(kind: CodeKind, bits: Int, scaling: Scaling = .dynamicPerRow) {
    self.kind = kind
    self.bits = bits
    self.scaling = scaling
  }

  package var isValid: Bool {
    guard kind.isOfActivations, kind.bitRange.contains(bits) else { return false }
    switch scaling {
    case .dynamicPerRow: return true
    case .fixed(let scale, let zero):
      let zeroIsValid = kind == .affine ? (0..<(1 << bits)).contains(zero) : zero == 0
      return zeroIsValid && scale.isFinite && scale.isNormal && scale > 0
    case .dynamicPerGroup(let channels): return kind == .symmetric && isGroupLength(channels)
    }
  }
  /// Channels of a group with a scale of its own; 0: the scale is that of the whole row.
  package var groupLength: Int {
    if case .dynamicPerGroup(let channels) = scaling { channels } else { 0 }
  }
  package var codeCount: Int { 1 << bits }
  /// The largest absolute integer a code can stand for, whatever its zero.
  package var maximumMagnitude: Int { kind == .symmetric ? codeCount / 2 - 1 : codeCount - 1 }
  package var multiplier: Int { kind == .bipolar ? 2 : 1 }
}

/// Whether groups of channels may have so many.
package func isGroupLength(_ channels: Int) -> Bool { [16, 32, 64, 128].contains(channels) }

/// One precision: the codes of weights and activations of a run of input channels.
package struct Level: Sendable, Hashable {
  package var weight: WeightCode
  package var activation: ActivationCode

  package init(weight: WeightCode, activation: ActivationCode) {
    self.weight = weight
    self.activation = activation
  }
  package var isValid: Bool {
    weight.isValid && activation.isValid
      && (activation.kind == .symmetric ? weight.layout != .bytes : weight.layout != .unsignedBytes)
  }

  /// The deepest run of channels whose dot product cannot leave int32.
  package var maximumChannels: Int {
    // Weights that are all 0 leave the sums of codes.
    Int(Int32.max) / (max(1, weight.maximumMagnitude) * max(1, activation.maximumMagnitude))
  }
  /// The deepest run of channels whose sums of codes and of stored weights cannot leave int32.
  package var maximumSummedChannels: Int {
    Int(Int32.max) / max(weight.maximumStored, activation.maximumMagnitude)
  }
}
