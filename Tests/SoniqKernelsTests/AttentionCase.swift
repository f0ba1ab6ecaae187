import CKernelABI
import Glibc
import SoniqCore
import SoniqKernels
import SoniqTestSupport
import Testing

/// Fused query, key and value rows of a small encoder.
struct AttentionCase {
  var batch = 2
  var sequence: Int
  var heads = 2
  var headDim: Int
  var values: [Float]
  var mask: [Int32]?
  var isCausal = false
  var bias: BiasCase?
  var window = 0
  var softcap: Float = 0
  /// Rows from here on are queries; all are keys.
  var past = 0
  /// Heads that share keys and values; those are the first heads' of the rows.
  var queryHeads = 1
  /// All units of a batch entry in one call; else each on its own.
  var isTogether = false
  /// Keys and values are the nearest binary16 numbers.
  var isHalf = false

  static let gap = 3
  var width: Int { heads * headDim }
  var stride: Int { 3 * width + Self.gap }

  init(
    _ sequence: Int, _ headDim: Int, _ content: RowKernels.Content, masked: Bool, causal: Bool = false,
    _ generator: inout SeededGenerator
  ) {
    self.sequence = sequence
    isCausal = causal
    self.headDim = headDim
    values = content.values(batch * sequence * (3 * heads * headDim + Self.gap) - Self.gap, &generator)
    // The second batch entry has no valid key.
    guard masked else { return }
    let limit = sequence
    mask = (0..<batch * limit).map { $0 < limit ? Int32.random(in: -1...1, using: &generator) : 0 }
  }

  /// Units in reverse order, with scratch that holds rubbish.
  func run(_ function: snq_attention_function, scratchBytes: Int) -> [Float] {
    let input = GuardedBuffer(values)
    let queries = sequence - past
    let output = GuardedBuffer([Float](repeating: 9, count: batch * queries * width))
    let halves = GuardedBuffer(isHalf ? values.map(Binary16.bits) : [])
    let valid = GuardedBuffer(mask ?? [])
    let added = GuardedBuffer(bias?.numbers ?? [])
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: scratchBytes + 64, alignment: 64)
    defer { scratch.deallocate() }
    scratch.initializeMemory(as: UInt8.self, repeating: 0xff, count: scratchBytes + 64)
    var args = snq_attention_args()
    args.key = UnsafePointer(input.start) + width
    args.value = UnsafePointer(input.start) + 2 * width
    if isHalf {
      let start = UnsafeRawPointer(halves.start)
      args.key = (start + 2 * width).assumingMemoryBound(to: Float.self)
      args.value = (start + 4 * width).assumingMemoryBound(to: Float.self)
    }
    (args.queryStride, args.keyStride, args.valueStride) = (stride, stride, stride)
    if mask != nil { args.mask = UnsafePointer(valid.start) }
    if let bias {
      args.bias = UnsafePointer(added.start)
      (args.biasBatchStride, args.biasHeadStride, args.biasRowStride) = bias.strides
    }
    (args.batch, args.sequence) = (UInt32(batch), UInt32(queries))
    (args.heads, args.headDim, args.queryHeads) = (UInt32(heads), UInt32(headDim), UInt32(queryHeads))
    args.scale = 1 / Float(headDim).squareRoot()
    args.isCausal = isCausal ? 1 : 0
    (args.past, args.window, args.softcap) = (UInt32(past), UInt32(window), softcap)
    args.isHalf = isHalf ? 1 : 0
    args.keyBatchRows = sequence
    args.outputStride = width
    args.scratch = scratch.assumingMemoryBound(to: UInt8.self)
    // Queries of a batch entry follow those of the one before: with a past they are given one by one.
    for entry in 0..<batch {
      var part = args
      part.batch = 1
      part.query = UnsafePointer(input.start) + (entry * sequence + past) * stride
      let keyBytes = entry * sequence * stride * (isHalf ? 2 : 4)
      part.key = (UnsafeRawPointer(args.key) + keyBytes).assumingMemoryBound(to: Float.self)
      part.value = (UnsafeRawPointer(args.value) + keyBytes).assumingMemoryBound(to: Float.self)
      part.output = output.start + entry * queries * width
      if past > 0 { call(function, &part, units: heads) }
    }
    (args.query, args.output) = (UnsafePointer(input.start), output.start)
    if past == 0 { call(function, &args, units: batch * heads) }
    let tail = (scratch + scratchBytes).assumingMemoryBound(to: UInt8.self)
    #expect((0..<64).allSatisfy { tail[$0] == 0xff }, "wrote past the scratch")
    #expect(input.isIntact && output.isIntact && valid.isIntact && added.isIntact && halves.isIntact)
    return output.elements
  }

  private func call(_ function: snq_attention_function, _ args: inout snq_attention_args, units: Int) {
    if isTogether { return function(&args, 0, UInt32(units)) }
    for unit in (0..<UInt32(units)).reversed() { function(&args, unit, unit + 1) }
  }

  /// softmax(q k^T scale + bias) v in double precision. Loops and no arrays of rows: tests are built to be debugged.
  func truth(batch entry: Int, head: Int, position: Int) -> [Double] {
    let first = window > 0 ? max(0, position - window + 1) : 0
    let keys = (first...(isCausal ? position : sequence - 1)).filter { key in
      mask.map { $0[entry * sequence + key] != 0 } ?? true
    }
    return values.withUnsafeBufferPointer { values in
      func start(_ position: Int, _ part: Int) -> Int {
        let head = part == 0 ? head : head / queryHeads
        return (entry * sequence + position) * stride + part * width + head * headDim
      }
      let query = start(position, 0)
      let scores = keys.map { key in
        let row = start(key, 1)
        var dot = 0.0
        for channel in 0..<headDim { dot += Double(values[query + channel]) * Double(values[row + channel]) }
        let added = bias.map { Double($0.number(entry, head, position, key)) } ?? 0
        let score = dot / Double(headDim).squareRoot()
        return (softcap > 0 ? Double(softcap) * tanh(score / Double(softcap)) : score) + added
      }
      var result = [Double](repeating: 0, count: headDim)
      guard let greatest = scores.max(), greatest > -.infinity else { return result }
      let weights = scores.map { exp($0 - greatest) }
      let total = weights.reduce(0, +)
      for (index, key) in keys.enumerated() {
        let row = start(key, 2)
        for channel in 0..<headDim {
          result[channel] += weights[index] * Double(values[row + channel]) / total
        }
      }
      return result
    }
  }
}

/// What is added to the scores: numbers by [batch, head, query, key], of which some axes are one for all.
struct BiasCase {
  var numbers: [Float]
  let strides: (batch: Int, head: Int, row: Int)

  /// Which axes have numbers of their own.
  enum Axes: CaseIterable {
    case all, heads, batch, rows, none
  }

  init(_ axes: Axes, batch: Int, heads: Int, sequence: Int, _ number: () -> Float) {
    let hasRows = axes == .all || axes == .heads || axes == .rows
    let hasHeads = axes == .all || axes == .heads
    let hasBatch = axes == .all || axes == .batch
    let plane = hasRows ? sequence * sequence : sequence
    let entry = hasHeads ? heads * plane : plane
    strides = (hasBatch ? entry : 0, hasHeads ? plane : 0, hasRows ? sequence : 0)
    numbers = (0..<(hasBatch ? batch * entry : entry)).map { _ in number() }
  }

  func number(_ batch: Int, _ head: Int, _ position: Int, _ key: Int) -> Float {
    numbers[batch * strides.batch + head * strides.head + position * strides.row + key]
  }
}

extension AttentionCase {
  /// The same with numbers added to its scores.
  func biased(_ axes: BiasCase.Axes, _ number: () -> Float) -> AttentionCase {
    var changed = self
    changed.bias = BiasCase(axes, batch: batch, heads: heads, sequence: sequence, number)
    return changed
  }
}

/// The two attentions.
enum AttentionMode: CaseIterable {
  case integer, float

  var family: KernelFamily<snq_attention_function> {
    self == .integer ? RowKernelRegistry.integerAttention : RowKernelRegistry.floatAttention
  }
  func scratchBytes(_ sequence: Int, _ headDim: Int) -> Int {
    self == .integer
      ? snq_attention_integer_scratch(UInt32(sequence), UInt32(headDim))
      : snq_attention_float_scratch(UInt32(sequence), UInt32(headDim))
  }
}
