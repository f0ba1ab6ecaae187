import SoniqGraph

@testable import SoniqFormat

extension ModelText {
  /// The numbers of the record in the order of docs/format.md, but for reserved bytes.
  static func tensor(_ operation: TensorOperation) -> String {
    switch operation {
    case .constant(let constant): "constant \(constant)"
    case .unary(let function):
      "unary \(function.parts.tag.rawValue) \(function.parts.first) \(function.parts.second)"
    case .binary(let function): "binary \(function.rawValue)"
    case .select: "select"
    case .cast(let type): "cast \(type)"
    case .transpose(let permutation): "transpose \(list(permutation))"
    case .reshape(let target): "reshape \(shape(target))"
    case .expand(let target): "expand \(shape(target))"
    case .concatenate(let axis): "concatenate \(axis)"
    case .slice(let ranges): "slice \(list(ranges.flatMap { [$0.begin, $0.step, $0.count ?? 0] }))"
    case .pad(let mode, let before, let after, let value):
      "pad \(mode.rawValue) \(value) \(list(before + after))"
    case .gather(let axis): "gather \(axis)"
    case .reduce(let function, let axes, let keeps):
      "reduce \(function.rawValue) \(keeps ? 1 : 0) \(axes.reduce(0) { $0 | 1 << $1 })"
    case .cumulate(let axis, let isExclusive, let isReversed):
      "cumulate \(axis) \((isExclusive ? 1 : 0) + (isReversed ? 2 : 0))"
    case .softmax(let axis, let isLogarithm): "softmax \(axis) \(isLogarithm ? 1 : 0)"
    case .argument(let isMinimum, let axis, let keeps, let selectsLast):
      "argument \(axis) \((isMinimum ? 1 : 0) + (keeps ? 2 : 0) + (selectsLast ? 4 : 0))"
    case .matmul(let transposesRight): "matmul \(transposesRight ? 1 : 0)"
    case .pool(let function, let window): "pool \(function.rawValue) \(list(numbers(window)))"
    case .resize(let method, let coordinates, let rounding, let height, let width, let scale, let scaleWidth):
      "resize \(method.rawValue) \(coordinates.rawValue) \(rounding.rawValue) \(height) \(width) "
        + "\(scale) \(scaleWidth)"
    case .foldTaps(let window, let height, let width, let bias):
      "foldTaps \(list(numbers(window) + [height, width, bias.map { $0 + 1 } ?? 0]))"
    }
  }

  static func list(_ numbers: [Int]) -> String { numbers.map { "\($0)" }.joined(separator: " ") }

  static func numbers(_ window: Window) -> [Int] {
    [
      window.height, window.width, window.strideHeight, window.strideWidth, window.dilationHeight,
      window.dilationWidth, window.top, window.left, window.bottom, window.right,
    ]
  }
}
