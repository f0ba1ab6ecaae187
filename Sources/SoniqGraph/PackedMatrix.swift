package import SoniqCore

/// What the scales or offsets of groups are.
package enum GroupNumber: UInt8, Sendable, Hashable, BitwiseCopyable, CaseIterable {
  case float32 = 1
  case float16 = 2
  /// Counts units: the scale or the offset of the output.
  case uint8 = 3

  package var byteCount: Int {
    switch self {
    case .float32: 4
    case .float16: 2
    case .uint8: 1
    }
  }
}

/// Scales, and maybe offsets, of groups of neighbouring (sorted) channels of a level: a weight is
/// scale of its group x its integer + offset of its group.
package struct LevelGroups: Sendable {
  /// Channels of a group: 16, 32, 64 or 128; the last one may have fewer.
  package var length: Int
  /// Of scales and offsets.
  package var numbers: GroupNumber
  /// [panel][group][16 outputs], 0 behind the last output. Floats may be negative.
  package var scales: ConstantBytes
  /// As `scales`.
  package var offsets: ConstantBytes?

  package init(
    length: Int, numbers: GroupNumber, scales: ConstantBytes, offsets: ConstantBytes? = nil
  ) {
    self.length = length
    self.numbers = numbers
    self.scales = scales
    self.offsets = offsets
  }

  /// Groups in so many channels.
  package func count(channels: Int) -> Int { (channels + length - 1) / length }
}

/// A run of input channels of a packed matrix, at one level.
package struct MatrixLevel: Sendable {
  package var level: Level
  /// True channels of the run; stored channels are padded to the layout's tile.
  package var channels: Int
  /// Taps of a convolution, 1 for a linear layer. The panels hold the run's padded channels for one tap after the
  /// other.
  package var taps: Int
  /// Panels of 16 outputs in the layout of `level.weight.layout`; see docs/format.md.
  package var weights: ConstantBytes
  /// float32 per output, padded with 0 to a multiple of 16: real value of one weight integer, or of one unit of the
  /// scales of groups; nil where groups have floats.
  package var scales: ConstantBytes?
  /// float32 per output, padded likewise: a real number added to every weight of the run, or one unit of the offsets
  /// of groups.
  package var offsets: ConstantBytes?
  /// Scales of groups of channels, each for itself.
  package var groups: LevelGroups?
  /// int32 per output, padded likewise: sum of the stored integers of the run.
  package var storedSums: ConstantBytes

  package init(
    level: Level, channels: Int, taps: Int = 1, weights: ConstantBytes, scales: ConstantBytes?,
    offsets: ConstantBytes? = nil, storedSums: ConstantBytes, groups: LevelGroups? = nil
  ) {
    self.level = level
    self.channels = channels
    self.taps = taps
    self.weights = weights
    self.scales = scales
    self.offsets = offsets
    self.storedSums = storedSums
    self.groups = groups
  }

  /// Needs no field of version 3 of the format.
  package var isPlain: Bool { level.weight.isPlain && level.activation.kind != .symmetric }

  /// All arrays beside the weights.
  package var numbers: [ConstantBytes] {
    [storedSums] + [scales, offsets, groups?.scales, groups?.offsets].compactMap { $0 }
  }
  /// Of one tap.
  package var paddedChannels: Int {
    let tile = level.weight.layout.tileChannels
    return (channels + tile - 1) / tile * tile
  }
  /// Of all taps.
  package var storedChannels: Int { taps * paddedChannels }
  /// Bytes of one plane of one panel; for bytes and nibbles, of the panel.
  package var planeStride: Int { storedChannels / level.weight.layout.tileChannels * 64 }
  package var panelStride: Int {
    planeStride * (level.weight.layout == .planes ? level.weight.bits : 1)
  }
}

/// A weight matrix of one to four levels, of a linear layer or (with taps) of a convolution; its input channels are
/// sorted by level.
package struct PackedMatrix: Sendable {
  package var outputs: Int
  /// Input channels, of one tap.
  package var inputs: Int
  package var levels: [MatrixLevel]
  /// uint32 [inputs]: sorted position -> input channel; nil when already sorted.
  package var gather: ConstantBytes?
  /// float32, padded with 0 to a multiple of 16 outputs.
  package var bias: ConstantBytes?

  package init(
    outputs: Int, inputs: Int, levels: [MatrixLevel], gather: ConstantBytes? = nil,
    bias: ConstantBytes? = nil
  ) {
    self.outputs = outputs
    self.inputs = inputs
    self.levels = levels
    self.gather = gather
    self.bias = bias
  }
  package var panelCount: Int { (outputs + panelOutputs - 1) / panelOutputs }
  /// The same for all levels.
  package var taps: Int { levels.first?.taps ?? 1 }
  /// Its activations are symmetric codes: those of one level are when those of all are.
  package var isSymmetric: Bool { levels.first?.level.activation.kind == .symmetric }
  /// Needs no field of version 3 of the format.
  package var isPlain: Bool { levels.count <= 2 && levels.allSatisfy(\.isPlain) }
}
