import SoniqCore
package import SoniqGraph

/// How many weights a constant holds and how many bytes everything stored for them takes: codes with their
/// padding, scales, offsets, stored sums and channel maps. Biases are not weights.
package struct WeightAccount: Sendable, Hashable {
  package var weightCount = 0
  package var byteCount = 0

  package init(weightCount: Int = 0, byteCount: Int = 0) {
    self.weightCount = weightCount
    self.byteCount = byteCount
  }

  /// Bits stored for one weight.
  package var averageBits: Double {
    weightCount == 0 ? 0 : Double(byteCount) * 8 / Double(weightCount)
  }

  package static func += (left: inout WeightAccount, right: WeightAccount) {
    left.weightCount += right.weightCount
    left.byteCount += right.byteCount
  }
}

extension WeightAccount {
  /// A matrix or table; nil for constants that are not weights by their kind. Dense constants are weights
  /// only as embedding tables, which the graph tells.
  package init?(_ constant: Constant) {
    switch constant {
    case .dense: return nil
    case .floatMatrix(let matrix):
      self.init(weightCount: matrix.outputs * matrix.inputs, byteCount: matrix.panels.count)
    case .matrix(let matrix):
      let levels = matrix.levels.reduce(0) { sum, level in
        sum + level.weights.count + level.numbers.reduce(0) { $0 + $1.count }
      }
      self.init(
        weightCount: matrix.outputs * matrix.inputs * matrix.taps,
        byteCount: levels + (matrix.gather?.count ?? 0))
    case .depthwise(let depthwise):
      self.init(
        weightCount: depthwise.channels * depthwise.taps,
        byteCount: depthwise.weights.count + depthwise.scales.count)
    case .table(let table):
      let levels = table.levels.reduce(0) { $0 + $1.codes.count + $1.scales.count }
      self.init(weightCount: table.rows * table.channels, byteCount: levels + (table.scatter?.count ?? 0))
    }
  }

  /// All weights of a graph: of linear layers and embedding tables, each constant once.
  package init(_ graph: Graph) {
    self.init()
    for constant in Self.weightConstants(graph) {
      if let account = WeightAccount(graph.constants[constant]) {
        self += account
      } else if case .dense(let dense) = graph.constants[constant] {
        self += WeightAccount(weightCount: dense.shape.reduce(1, *), byteCount: dense.bytes.count)
      }
    }
  }

  /// The constants that linear layers and embeddings use, in graph order.
  package static func weightConstants(_ graph: Graph) -> [ConstantID] {
    var seen: Set<ConstantID> = []
    return graph.nodes.flatMap { node -> [ConstantID] in
      switch node.operation {
      case .linear(let linear): [linear.matrix]
      case .recurrence(let recurrence): [recurrence.matrix] + (recurrence.candidate.map { [$0] } ?? [])
      case .embedding(let embedding): [embedding.table]
      case .convolution(let convolution): convolution.weights
      case .depthwiseConvolution(let depthwise): [depthwise.weights]
      default: []
      }
    }.filter { seen.insert($0).inserted }
  }
}

/// Bytes that a layer would take, before it is quantised: equal to what `WeightAccount` counts afterwards.
enum WeightForecast {
  /// * hasMap: whether a channel map is stored when there are two levels.
  static func linear(
    outputs: Int, levels: [Level], channels: [Int], taps: Int = 1, hasMap: Bool
  ) -> Int {
    let used = zip(levels, channels).filter { $0.1 > 0 }
    let bytes = used.reduce(0) { sum, run in
      let tile = taps == 1 ? 1 : run.0.weight.layout.tileChannels
      let stored = (run.1 + tile - 1) / tile * tile * taps
      guard let packing = WeightPacking(code: run.0.weight, outputs: outputs, channels: stored) else {
        return sum
      }
      return sum + packing.byteCount + packing.paddedOutputs * 8
    }
    return bytes + (hasMap && used.count > 1 ? channels.reduce(0, +) * 4 : 0)
  }

  /// A linear layer with scales of groups: codes, sums, units, and the numbers of groups.
  static func grouped(outputs: Int, channels: Int, _ layout: GroupedLayout) -> Int {
    guard let packing = WeightPacking(code: layout.code, outputs: outputs, channels: channels) else {
      return 0
    }
    let groups = (channels + layout.groupLength - 1) / layout.groupLength
    let kinds = layout.hasOffsets ? 2 : 1
    let units = layout.numbers == .uint8 ? 4 : 0
    return packing.byteCount + packing.paddedOutputs
      * (4 + kinds * (units + groups * layout.numbers.byteCount))
  }

  static func depthwise(channels: Int, taps: Int) -> Int {
    let padded = (channels + panelOutputs - 1) / panelOutputs * panelOutputs
    return padded * taps + padded * 4
  }

  static func table(rows: Int, levels: [Level], channels: [Int], blockLength: Int) -> Int {
    let used = zip(levels, channels).filter { $0.1 > 0 }
    let bytes = used.reduce(0) { sum, run in
      let block = blockLength == 0 ? run.1 : min(blockLength, run.1)
      return sum + rows * ((run.1 * run.0.weight.bits + 7) / 8 + (run.1 + block - 1) / block * 2)
    }
    return bytes + (used.count > 1 ? channels.reduce(0, +) * 4 : 0)
  }
}
