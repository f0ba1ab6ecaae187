import CKernelABI
import Glibc
import SoniqKernels
import SoniqTestSupport
import Testing

/// Queries over keys and values that become codes first.
struct CodedAttentionCase {
  var batch = 2
  var positions: Int
  var heads: Int
  /// Heads that share keys and values.
  var sharing: Int
  var headDim: Int
  /// Rows from here on are queries.
  var past = 0
  var window = 0
  var softcap: Float = 0
  /// All units of a call together; else each on its own.
  var isTogether = true
  var keyBits = 8
  var valueBits = 8
  /// Rows of a call of `append`; 0: all.
  var appended = 0
  var queries: [Float] = []
  var keys: [Float] = []
  var values: [Float] = []

  var keyHeads: Int { heads / sharing }
  var width: Int { heads * headDim }
  var keyWidth: Int { keyHeads * headDim }
  /// Positions that there is room for: more than there are.
  var room: Int { (positions + 15) / 16 * 16 + 16 }

  init(
    _ positions: Int, _ headDim: Int, heads: Int = 2, sharing: Int = 1,
    content: RowKernels.Content = .ordinary,
    _ generator: inout SeededGenerator
  ) {
    (self.positions, self.headDim, self.heads, self.sharing) = (positions, headDim, heads, sharing)
    queries = content.values(batch * positions * width, &generator)
    keys = content.values(batch * positions * keyWidth, &generator)
    values = content.values(batch * positions * keyWidth, &generator)
  }

  /// Rows of some positions of every entry, one behind the other.
  private func part(of numbers: [Float], _ width: Int, _ range: Range<Int>) -> [Float] {
    var rows: [Float] = []
    for entry in 0..<batch {
      let first = entry * positions
      let begin = (first + range.lowerBound) * width
      let end = (first + range.upperBound) * width
      rows += numbers[begin..<end]
    }
    return rows
  }

  /// Codes and steps of keys or values, in memory that holds rubbish.
  struct Codes {
    var codes: GuardedBuffer<UInt8>
    var steps: GuardedBuffer<Float>
  }

  func headBytes(isKey: Bool) -> Int {
    if isKey { return headDim * keyBits / 8 }
    return valueBits == 8 ? headDim : (headDim + 31) / 32 * 16
  }

  func codes(_ numbers: [Float], isKey: Bool, _ function: snq_append_codes_function) -> Codes {
    let input = GuardedBuffer(numbers)
    let result = Codes(
      codes: GuardedBuffer([UInt8](repeating: 179, count: batch * keyHeads * room * headBytes(isKey: isKey))),
      steps: GuardedBuffer([Float](repeating: .nan, count: batch * keyHeads * room)))
    var args = snq_append_codes_args()
    let scratch = GuardedBuffer([Float](repeating: .nan, count: headDim))
    (args.codes, args.steps, args.scratch) = (result.codes.start, result.steps.start, scratch.start)
    (args.heads, args.headDim, args.capacity) = (UInt32(keyHeads), UInt32(headDim), UInt32(room))
    args.inputStride = keyWidth
    args.isKey = isKey ? 1 : 0
    args.bits = UInt32(isKey ? keyBits : valueBits)
    let length = appended == 0 ? positions : appended
    for first in stride(from: 0, to: positions, by: length) {
      let count = min(length, positions - first)
      let rows = GuardedBuffer(part(of: numbers, keyWidth, first..<first + count))
      args.input = UnsafePointer(rows.start)
      (args.sequence, args.past) = (UInt32(count), UInt32(first))
      let split = UInt32(batch * count / 2)
      function(&args, split, UInt32(batch * count))
      function(&args, 0, split)
      #expect(rows.isIntact)
    }
    #expect(input.isIntact && result.codes.isIntact && result.steps.isIntact)
    return result
  }

  /// [batch][queries][width], by the kernels of one instruction set.
  func run(
    _ append: snq_append_codes_function, _ attention: snq_attention_function
  ) -> [Float] {
    let (keys, values) = (codes(keys, isKey: true, append), codes(values, isKey: false, append))
    let count = positions - past
    let rows = GuardedBuffer(part(of: queries, width, past..<positions))
    let output = GuardedBuffer([Float](repeating: 9, count: batch * count * width))
    let bytes = snq_attention_codes_scratch(UInt32(positions), UInt32(headDim))
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
    defer { scratch.deallocate() }
    scratch.initializeMemory(as: UInt8.self, repeating: 0xff, count: bytes + 64)
    var args = snq_attention_args()
    args.query = UnsafePointer(rows.start)
    args.queryStride = width
    args.key = UnsafeRawPointer(keys.codes.start).assumingMemoryBound(to: Float.self)
    args.value = UnsafeRawPointer(values.codes.start).assumingMemoryBound(to: Float.self)
    (args.keySteps, args.valueSteps) = (UnsafePointer(keys.steps.start), UnsafePointer(values.steps.start))
    args.keyBatchRows = room
    (args.keyBits, args.valueBits) = (UInt32(keyBits), UInt32(valueBits))
    (args.batch, args.sequence, args.past) = (UInt32(batch), UInt32(count), UInt32(past))
    (args.heads, args.headDim, args.queryHeads) = (UInt32(heads), UInt32(headDim), UInt32(sharing))
    args.scale = 1 / Float(headDim).squareRoot()
    args.isCausal = 1
    (args.window, args.softcap) = (UInt32(window), softcap)
    (args.output, args.outputStride) = (output.start, width)
    args.scratch = scratch.assumingMemoryBound(to: UInt8.self)
    let units = UInt32(batch * heads)
    if isTogether {
      attention(&args, 0, units)
    } else {
      for unit in (0..<units).reversed() { attention(&args, unit, unit + 1) }
    }
    let tail = (scratch + bytes).assumingMemoryBound(to: UInt8.self)
    #expect((0..<64).allSatisfy { tail[$0] == 0xff }, "wrote past the scratch")
    #expect(rows.isIntact && output.isIntact && keys.codes.isIntact && values.steps.isIntact)
    return output.elements
  }

  /// Sums and differences of channels 1, 2, 4, ... apart.
  static func turned<Number: FloatingPoint>(_ head: [Number]) -> [Number] {
    var head = head
    var step = 1
    while head.count % (2 * step) == 0 {
      for first in head.indices where first / step % 2 == 0 {
        (head[first], head[first + step]) = (
          head[first] + head[first + step], head[first] - head[first + step]
        )
      }
      step *= 2
    }
    return head
  }

  /// By the plain rule: the step and the codes of a turned head. NaN has the lowest code.
  static func encoded(_ head: [Float], bits: Int) -> (step: Float, codes: [Int]) {
    let half = Float(1 << (bits - 1))
    let magnitude = head.reduce(Float(0)) { $1.isNaN ? $0 : max($0, abs($1)) }
    let raw = magnitude / (bits == 8 ? 127 : half)
    var step = raw.isNormal && raw.isFinite ? raw : 1
    let greatest = head.reduce(Float(0)) { $1.isNaN ? $0 : max($0, $1) }
    if bits < 8 && greatest == magnitude { step = -step }
    let (least, most) = bits == 8 ? (-127, 127) : (-half, half - 1)
    let codes = head.map { number -> Int in
      let scaled = number * (1 / step)
      return Int(scaled.isNaN ? least : min(max(scaled, least), most).rounded(.toNearestOrEven))
    }
    return (step, codes)
  }

  /// A head as its codes say.
  private func rounded(_ numbers: [Float], _ first: Int, bits: Int) -> [Double] {
    let (step, integers) = Self.encoded(Self.turned(Array(numbers[first..<first + headDim])), bits: bits)
    let codes = integers.map { Double(step) * Double($0) }
    let length = Double(headDim & -headDim)
    return Self.turned(codes).map { $0 / length }
  }

  /// In double precision, of keys and values as their codes say.
  func truth(entry: Int, head: Int, position: Int) -> [Double] {
    let first = window > 0 ? max(0, position - window + 1) : 0
    func row(_ position: Int) -> Int {
      (entry * positions + position) * keyWidth + head / sharing * headDim
    }
    let query = (entry * positions + position) * width + head * headDim
    let scores = (first...position).map { key -> Double in
      var dot = 0.0
      for (channel, number) in rounded(keys, row(key), bits: keyBits).enumerated() {
        dot += Double(queries[query + channel]) * number
      }
      let score = dot / Double(headDim).squareRoot()
      return softcap > 0 ? Double(softcap) * tanh(score / Double(softcap)) : score
    }
    let greatest = scores.max() ?? 0
    let weights = scores.map { exp($0 - greatest) }
    let total = weights.reduce(0, +)
    var result = [Double](repeating: 0, count: headDim)
    for (index, weight) in weights.enumerated() {
      for (channel, number) in rounded(values, row(first + index), bits: valueBits).enumerated() {
        result[channel] += weight * number / total
      }
    }
    return result
  }
}
