import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// A random convolution of packed levels, and its result by the definition.
struct SyntheticConvolution {
  let window: Window
  let batch: Int
  let height: Int
  let width: Int
  let channels: Int
  let groups: Int
  let outputs: Int
  let levels: [(level: Level, channels: Int)]
  private(set) var matrices: [PackedMatrix] = []
  /// By group and level: weight integers [output][tap][channel of the run].
  private var integers: [[[Int]]] = []
  private var orders: [[Int]] = []
  private var owners: [AnyObject] = []

  /// * levels: of every group, their channels adding up to channels / groups.
  init(
    _ window: Window, batch: Int = 1, height: Int, width: Int, groups: Int = 1, groupOutputs: Int,
    levels: [(Level, Int)], shuffled: Bool = false, using generator: inout SeededGenerator
  ) {
    self.window = window
    self.batch = batch
    self.height = height
    self.width = width
    self.groups = groups
    self.levels = levels.map { ($0.0, $0.1) }
    let groupChannels = levels.reduce(0) { $0 + $1.1 }
    channels = groupChannels * groups
    outputs = groupOutputs * groups
    for _ in 0..<groups {
      add(groupOutputs, groupChannels, shuffled: shuffled, using: &generator)
    }
  }

  private mutating func add(
    _ outputs: Int, _ channels: Int, shuffled: Bool, using generator: inout SeededGenerator
  ) {
    let padded = (outputs + 15) / 16 * 16
    let order = shuffled ? Array(0..<channels).shuffled(using: &generator) : Array(0..<channels)
    var matrixLevels: [MatrixLevel] = []
    var groupIntegers: [[Int]] = []
    for (level, count) in levels {
      let codes = (0..<outputs * window.taps * count).map { _ in
        UInt8(Int.random(in: 0..<level.weight.codeCount, using: &generator))
      }
      groupIntegers.append(codes.map { level.weight.integer(Int($0)) })
      matrixLevels.append(pack(codes, level, count, outputs, padded, &generator))
    }
    integers.append(groupIntegers)
    orders.append(order)
    let bias = (0..<outputs).map { _ in Float.random(in: -1...1, using: &generator) }
    matrices.append(
      PackedMatrix(
        outputs: outputs, inputs: channels, levels: matrixLevels,
        gather: shuffled ? keep(order.map { UInt32($0) }, paddedTo: channels) : nil,
        bias: keep(bias, paddedTo: padded)))
  }

  private mutating func pack(
    _ codes: [UInt8], _ level: Level, _ channels: Int, _ outputs: Int, _ padded: Int,
    _ generator: inout SeededGenerator
  ) -> MatrixLevel {
    // Only convolutions of several taps pad every tap.
    let tile = window.taps == 1 ? 1 : level.weight.layout.tileChannels
    let stride = (channels + tile - 1) / tile * tile
    var stored = [UInt8](
      repeating: UInt8(level.weight.storedBias), count: outputs * window.taps * stride)
    for row in 0..<outputs * window.taps {
      for channel in 0..<channels { stored[row * stride + channel] = codes[row * channels + channel] }
    }
    guard
      let packing = WeightPacking(code: level.weight, outputs: outputs, channels: stride * window.taps),
      let unpadded = WeightPacking(code: level.weight, outputs: outputs, channels: channels * window.taps)
    else { preconditionFailure("the fixture asks for a matrix that cannot be packed") }
    let bytes = AlignedBuffer(byteCount: packing.byteCount)
    owners.append(bytes)
    stored.withUnsafeBufferPointer {
      packing.pack($0, into: UnsafeMutableRawBufferPointer(start: bytes.start, count: bytes.count))
    }
    let sums = codes.withUnsafeBufferPointer { unpadded.storedSums($0) }
    let scales = (0..<outputs).map { _ in Float.random(in: 0.01...0.02, using: &generator) }
    return MatrixLevel(
      level: level, channels: channels, taps: window.taps, weights: ConstantBytes(bytes),
      scales: keep(scales, paddedTo: padded), storedSums: keep(sums, paddedTo: padded))
  }

  private mutating func keep<T: BitwiseCopyable>(_ elements: [T], paddedTo count: Int) -> ConstantBytes {
    let buffer = AlignedBuffer(copying: elements, paddedTo: count)
    owners.append(buffer)
    return ConstantBytes(buffer)
  }

  var description: ModelDescription {
    var graph = Graph()
    let shape: [Dimension] = [.fixed(batch), .fixed(height), .fixed(width), .fixed(channels)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: shape),
      Value(
        name: "y", elementType: .float32,
        shape: [
          .fixed(batch), .fixed(window.outputHeight(height)), .fixed(window.outputWidth(width)),
          .fixed(outputs),
        ]),
    ]
    graph.constants = matrices.map { .matrix($0) }
    graph.constantNames = matrices.indices.map { "weights \($0)" }
    graph.nodes = [
      Node(
        name: "conv", operation: .convolution(window, weights: Array(matrices.indices)), inputs: [0],
        output: 1)
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1]
    return ModelDescription(graph: graph, metadata: [], owner: owners)
  }

  /// [batch][H'][W'][outputs] of an input [batch][H][W][channels]: padding counts as 0, sums are exact, and the float
  /// steps are those of CKernelABI.h.
  func reference(_ input: [Float]) -> [Float] {
    var result: [Float] = []
    for image in 0..<batch {
      for row in 0..<window.outputHeight(height) {
        for column in 0..<window.outputWidth(width) {
          for group in 0..<groups {
            for output in 0..<outputs / groups {
              result.append(value(input, image, row, column, group, output))
            }
          }
        }
      }
    }
    return result
  }

  private func value(
    _ input: [Float], _ image: Int, _ row: Int, _ column: Int, _ group: Int, _ output: Int
  ) -> Float {
    var sum = matrices[group].bias?.bound(to: Float.self)[output] ?? 0
    var first = 0
    for (index, (level, count)) in levels.enumerated() {
      var dot = 0
      for tap in 0..<window.taps {
        let y = row * window.strideHeight + tap / window.width * window.dilationHeight - window.top
        let x = column * window.strideWidth + tap % window.width * window.dilationWidth - window.left
        guard (0..<height).contains(y), (0..<width).contains(x) else { continue }
        for channel in 0..<count {
          let place = orders[group][first + channel] + group * channels / groups
          let code = Self.integer(
            input[((image * height + y) * width + x) * channels + place], level.activation)
          dot += code * integers[group][index][(output * window.taps + tap) * count + channel]
        }
      }
      let weightScale = matrices[group].levels[index].scales?.bound(to: Float.self)[output] ?? 0
      guard case .fixed(let scale, _) = level.activation.scaling else { continue }
      sum.addProduct(Float(dot), weightScale * scale)
      first += count
    }
    return sum
  }

  /// The integer that the quantiser gives a number.
  static func integer(_ number: Float, _ code: ActivationCode) -> Int {
    guard case .fixed(let scale, let zero) = code.scaling else { return 0 }
    if code.kind == .bipolar {
      let most = Float(code.codeCount - 1)
      let place = Float(1 << (code.bits - 1)).addingProduct(number, 0.5 / scale)
      return 2 * Int(min(max(place, 0), most).rounded(.down)) - (code.codeCount - 1)
    }
    let (low, high) = (Float(-zero), Float(code.codeCount - 1 - zero))
    return Int(min(max(number * (1 / scale), low), high).rounded(.toNearestOrEven))
  }
}

extension Level {
  /// The same level with fixed activation scales.
  func fixed(_ scale: Float, zero: Int = 0) -> Level {
    var level = self
    level.activation.scaling = .fixed(scale: scale, zero: zero)
    return level
  }
}
