package import SoniqCore

/// Index of a constant in `Graph.constants`.
package typealias ConstantID = Int

/// A plain array, row-major. Norm parameters and the like.
package struct DenseConstant: Sendable {
  package var elementType: ElementType
  package var shape: [Int]
  package var bytes: ConstantBytes

  package init(elementType: ElementType, shape: [Int], bytes: ConstantBytes) {
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }
}

/// A float32 weight matrix for the reference mode: panels of 16 outputs, [panel][input][16] float32.
package struct FloatMatrix: Sendable {
  package var outputs: Int
  package var inputs: Int
  package var panels: ConstantBytes
  /// float32, padded with 0 to a multiple of 16 outputs.
  package var bias: ConstantBytes?

  package init(outputs: Int, inputs: Int, panels: ConstantBytes, bias: ConstantBytes?) {
    self.outputs = outputs
    self.inputs = inputs
    self.panels = panels
    self.bias = bias
  }
}

/// A run of channels of a packed table, at one weight code.
package struct TableLevel: Sendable {
  package var code: WeightCode
  package var channels: Int
  /// Channels that share a scale within a row; multiple of 8, or `channels` for one scale a row.
  package var blockLength: Int
  /// [rows][rowStride] bytes: little-endian bit stream of codes, a run padded to a whole byte.
  package var codes: ConstantBytes
  /// binary16 [rows][blockCount].
  package var scales: ConstantBytes

  package init(
    code: WeightCode, channels: Int, blockLength: Int, codes: ConstantBytes, scales: ConstantBytes
  ) {
    self.code = code
    self.channels = channels
    self.blockLength = blockLength
    self.codes = codes
    self.scales = scales
  }
  package var rowStride: Int { (channels * code.bits + 7) / 8 }
  package var blockCount: Int { blockLength == 0 ? 0 : (channels + blockLength - 1) / blockLength }
}

/// An embedding table whose rows are looked up by index.
package struct PackedTable: Sendable {
  package var rows: Int
  package var channels: Int
  package var levels: [TableLevel]
  /// uint32 [channels]: sorted position -> output channel; nil when already sorted.
  package var scatter: ConstantBytes?

  package init(rows: Int, channels: Int, levels: [TableLevel], scatter: ConstantBytes? = nil) {
    self.rows = rows
    self.channels = channels
    self.levels = levels
    self.scatter = scatter
  }
}

/// Weights of a convolution whose every channel has taps of its own, as integers.
package struct PackedDepthwise: Sendable {
  package var channels: Int
  package var taps: Int
  /// The activation code is affine and fixed.
  package var level: Level
  /// The integers of the weights (not their codes) as signed bytes, [taps][paddedChannels], padded with 0.
  package var weights: ConstantBytes
  /// float32 [paddedChannels]: real value of one weight integer; padded with 0.
  package var scales: ConstantBytes

  package init(channels: Int, taps: Int, level: Level, weights: ConstantBytes, scales: ConstantBytes) {
    self.channels = channels
    self.taps = taps
    self.level = level
    self.weights = weights
    self.scales = scales
  }

  /// A multiple of 16.
  package var paddedChannels: Int { (channels + 15) / 16 * 16 }
}

/// Everything constant that an operation may hold.
package enum Constant: Sendable {
  case dense(DenseConstant)
  case floatMatrix(FloatMatrix)
  case matrix(PackedMatrix)
  case table(PackedTable)
  case depthwise(PackedDepthwise)
}
