import SoniqGraph

extension ModelSerializer {
  /// The attributes of a tensor operation; see `TensorReader`.
  static func write(_ operation: TensorOperation, to sink: inout ByteSink) {
    switch operation {
    case .constant(let constant):
      head(.constant, to: &sink)
      sink.word(constant)
    case .unary(let function):
      let parts = function.parts
      head(.unary, Int(parts.tag.rawValue), to: &sink)
      sink.float(parts.first)
      sink.float(parts.second)
    case .binary(let function): head(.binary, Int(function.rawValue), to: &sink)
    case .select: head(.select, to: &sink)
    case .cast(let type): head(.cast, Int(type.rawValue), to: &sink)
    case .transpose(let permutation):
      head(.transpose, permutation.count, to: &sink)
      for axis in permutation { sink.word(axis) }
    case .reshape(let shape): write(.reshape, shape, to: &sink)
    case .expand(let shape): write(.expand, shape, to: &sink)
    case .concatenate(let axis): head(.concatenate, axis, to: &sink)
    case .slice(let ranges):
      head(.slice, ranges.count, to: &sink)
      for range in ranges {
        sink.word(range.begin)
        sink.int32(Int32(truncatingIfNeeded: range.step))
        sink.word(range.count ?? 0)
      }
    case .pad(let mode, let before, let after, let value):
      head(.pad, Int(mode.rawValue), before.count, to: &sink)
      sink.float(value)
      for count in before + after { sink.word(count) }
    case .gather(let axis): head(.gather, axis, to: &sink)
    case .reduce(let function, let axes, let keeps):
      head(
        .reduce, Int(function.rawValue), keeps ? 1 : 0, axes.reduce(0) { $0 | 1 << $1 }, to: &sink)
    case .softmax(let axis, let isLogarithm): head(.softmax, axis, isLogarithm ? 1 : 0, to: &sink)
    case .argument(let isMinimum, let axis, let keeps, let selectsLast):
      head(.argument, axis, (isMinimum ? 1 : 0) | (keeps ? 2 : 0) | (selectsLast ? 4 : 0), to: &sink)
    case .cumulate(let axis, let isExclusive, let isReversed):
      head(.cumulate, axis, (isExclusive ? 1 : 0) | (isReversed ? 2 : 0), to: &sink)
    case .matmul(let transposesRight): head(.matmul, transposesRight ? 1 : 0, to: &sink)
    case .pool, .resize, .foldTaps: writeImage(operation, to: &sink)
    }
  }

  private static func writeImage(_ operation: TensorOperation, to sink: inout ByteSink) {
    switch operation {
    case .pool(let function, let window):
      head(.pool, Int(function.rawValue), to: &sink)
      write(window, to: &sink)
    case .resize(
      let method, let coordinates, let rounding, let height, let width, let scaleHeight, let scaleWidth):
      head(.resize, Int(method.rawValue), Int(coordinates.rawValue), Int(rounding.rawValue), to: &sink)
      sink.word(height)
      sink.word(width)
      sink.float(scaleHeight)
      sink.float(scaleWidth)
    case .foldTaps(let window, let height, let width, let bias):
      head(.foldTaps, to: &sink)
      write(window, to: &sink)
      sink.word(height)
      sink.word(width)
      sink.word(bias.map { $0 + 1 } ?? 0)
    default: break
    }
  }

  private static func write(_ tag: TensorTag, _ shape: [Dimension], to sink: inout ByteSink) {
    head(tag, shape.count, to: &sink)
    for dimension in shape { write(dimension, to: &sink) }
  }

  /// The tag and its three bytes of details.
  private static func head(
    _ tag: TensorTag, _ first: Int = 0, _ second: Int = 0, _ third: Int = 0, to sink: inout ByteSink
  ) {
    sink.byte(Int(tag.rawValue))
    sink.byte(first)
    sink.byte(second)
    sink.byte(third)
  }
}
