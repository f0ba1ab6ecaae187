import CKernelABI
package import SoniqGraph

/// Softmax or its logarithm along an axis. Each sum takes its elements in order where the axis is not the last one;
/// along the last one it is that of `ReduceOperator`.
package struct SoftmaxOperator: TensorOperator {
  package static var entry: TensorEntry { { SoftmaxOperator.answer($0, $1) } }
  let input: Extents
  let axis: Int
  let isLogarithm: Bool
  /// For the kinds SNQ_EXPONENTIAL and SNQ_LOGARITHM.
  let activation: snq_activation_function
  /// Columns that are done together when the axis is not the last one.
  private static let width = 64

  init(input: Extents, axis: Int, isLogarithm: Bool, activation: @escaping snq_activation_function) {
    self.input = input
    self.axis = axis
    self.isLogarithm = isLogarithm
    self.activation = activation
  }

  /// Rows, or blocks of columns.
  package func items(_ sizes: UnsafePointer<Int>) -> Int {
    input.elements(0..<axis, sizes) &* blocks(input.elements(axis + 1..<input.rank, sizes))
  }
  /// An exponential is worth some elements.
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    8 &* input.size(axis, sizes) &* min(Self.width, input.elements(axis + 1..<input.rank, sizes))
  }
  private func blocks(_ inner: Int) -> Int { (inner + Self.width - 1) / Self.width }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = input.elements(axis + 1..<input.rank, frame.sizes)
    let size = input.size(axis, frame.sizes)
    let blocks = blocks(inner)
    for item in range {
      let begin = item % blocks &* Self.width
      let start = item / blocks &* size &* inner &+ begin
      if inner == 1 {
        row(frame.output + start, frame.floats(0) + start, size)
      } else {
        columns(frame.output + start, frame.floats(0) + start, size, inner, min(Self.width, inner - begin))
      }
    }
  }

  private func apply(_ kind: Int, _ values: UnsafeMutablePointer<Float>, _ count: Int) {
    var call = snq_activation_args()
    call.kind = UInt32(truncatingIfNeeded: kind)
    call.input = UnsafePointer(values)
    call.inputStride = count
    call.channels = UInt32(truncatingIfNeeded: count)
    call.output = values
    call.outputStride = count
    activation(&call, 0, 1)
  }

  private func row(_ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ size: Int) {
    var largest = maximum(input, size)
    subtract(output, input, &largest, 0, size)
    if !isLogarithm {
      apply(SNQ_EXPONENTIAL, output, size)
      divideRun(output, by: sum(output, size), size)
      return
    }
    // The exponentials go through a few columns of memory: the output keeps the differences.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.width) { memory in
      guard let part = memory.baseAddress else { return }
      var total: Float = 0
      var position = 0
      while position < size {
        let count = min(Self.width, size - position)
        part.update(from: output + position, count: count)
        apply(SNQ_EXPONENTIAL, part, count)
        total += sum(part, count)
        position += count
      }
      apply(SNQ_LOGARITHM, &total, 1)
      subtract(output, UnsafePointer(output), &total, 0, size)
    }
  }

  /// `width` neighbouring columns at once.
  private func columns(
    _ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ size: Int, _ inner: Int,
    _ width: Int
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * Self.width) { memory in
      guard let largest = memory.baseAddress else { return }
      let sums = largest + Self.width
      let part = sums + Self.width
      largest.update(from: input, count: width)
      for index in 1..<max(1, size) { maximizeRun(largest, input + index &* inner, width) }
      fillRun(sums, 0, width)
      for index in 0..<size {
        subtract(output + index &* inner, input + index &* inner, largest, 1, width)
        part.update(from: output + index &* inner, count: width)
        apply(SNQ_EXPONENTIAL, part, width)
        addRun(sums, part, width)
        if !isLogarithm { (output + index &* inner).update(from: part, count: width) }
      }
      if isLogarithm { apply(SNQ_LOGARITHM, sums, width) }
      for index in 0..<size {
        let line = output + index &* inner
        if isLogarithm {
          subtract(line, UnsafePointer(line), sums, 1, width)
        } else {
          accumulate(line, sums, width) { $0 / $1 }
        }
      }
    }
  }

  private func subtract(
    _ output: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ other: UnsafePointer<Float>,
    _ step: Int, _ count: Int
  ) {
    mapPairs(output, input, 1, other, step, count) { $0 - $1 }
  }

  private func maximum(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
    var lanes = Floats(repeating: values[0])
    var position = 0
    while position + 8 <= count {
      let next = load(values + position)
      lanes.replace(with: next, where: next .> lanes)
      position += 8
    }
    var largest = lanes[0]
    for lane in 1..<8 where lanes[lane] > largest { largest = lanes[lane] }
    for rest in position..<count where values[rest] > largest { largest = values[rest] }
    return largest
  }

  /// Lane l of 8 takes elements l, l + 8, ...; the lanes are added from the first to the last.
  private func sum(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
    var lanes = Floats.zero
    var position = 0
    while position < count {
      let rest = count - position
      lanes += rest >= 8 ? load(values + position) : load(values + position, count: rest)
      position += 8
    }
    var total: Float = 0
    for lane in 0..<8 { total += lanes[lane] }
    return total
  }
}

extension Softmax: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    SoftmaxOperator(
      input: node.extents(0), axis: axis, isLogarithm: isLogarithm, activation: kernels.activation)
  }
}
