import Glibc
import SoniqGraph

/// Arithmetic of sizes that may be dynamic. A dynamic size is at least 1 and otherwise unknown.
enum SizeArithmetic {
  /// nil when the result depends on what a dynamic size will be, or leaves the whole numbers of 64 bits.
  static func combine(_ function: BinaryFunction, _ left: Extent, _ right: Extent) -> Extent? {
    if let first = left.fixed, let second = right.fixed {
      return fixed(function, first, second).map { Extent($0) }
    }
    switch function {
    case .multiply: return left.times(right)
    case .divide: return left.divided(by: right)
    case .add: return sum(left, right, sign: 1)
    case .subtract: return sum(left, right, sign: -1)
    case .maximum, .minimum:
      if left == right { return left }
      guard let order = compare(left, right) else { return nil }
      return (order > 0) == (function == .maximum) ? left : right
    case .equal: return compare(left, right).map { Extent($0 == 0 ? 1 : 0) }
    case .less: return compare(left, right).map { Extent($0 < 0 ? 1 : 0) }
    case .lessOrEqual: return compare(left, right).map { Extent($0 <= 0 ? 1 : 0) }
    case .greater: return compare(left, right).map { Extent($0 > 0 ? 1 : 0) }
    case .greaterOrEqual: return compare(left, right).map { Extent($0 >= 0 ? 1 : 0) }
    default: return nil
    }
  }

  private static func sum(_ left: Extent, _ right: Extent, sign: Int) -> Extent? {
    if right.coefficient == 0 { return left }
    if left.coefficient == 0 { return right.times(Extent(sign)) }
    guard left.symbols == right.symbols, let other = right.times(Extent(sign)) else { return nil }
    let (total, overflow) = left.coefficient.addingReportingOverflow(other.coefficient)
    return overflow ? nil : Extent(coefficient: total, symbols: left.symbols)
  }

  /// The sign of left - right where it is the same for all dynamic sizes.
  private static func compare(_ left: Extent, _ right: Extent) -> Int? {
    if left == right { return 0 }
    if let size = right.fixed {
      // coefficient * product of sizes that are at least 1
      if left.coefficient > 0, left.coefficient > size { return 1 }
      if left.coefficient < 0, left.coefficient < size { return -1 }
      return nil
    }
    if left.fixed != nil { return compare(right, left).map { -$0 } }
    if left.symbols == right.symbols { return left.coefficient < right.coefficient ? -1 : 1 }
    return nil
  }

  private static func fixed(_ function: BinaryFunction, _ left: Int, _ right: Int) -> Int? {
    func checked(_ result: (partialValue: Int, overflow: Bool)) -> Int? {
      result.overflow ? nil : result.partialValue
    }
    switch function {
    case .add: return checked(left.addingReportingOverflow(right))
    case .subtract: return checked(left.subtractingReportingOverflow(right))
    case .multiply: return checked(left.multipliedReportingOverflow(by: right))
    case .divide: return checked(left.dividedReportingOverflow(by: right))
    case .minimum: return min(left, right)
    case .maximum: return max(left, right)
    case .power:
      let result = pow(Double(left), Double(right))
      return abs(result) < 9e15 ? Int(result) : nil
    case .equal: return left == right ? 1 : 0
    case .less: return left < right ? 1 : 0
    case .lessOrEqual: return left <= right ? 1 : 0
    case .greater: return left > right ? 1 : 0
    case .greaterOrEqual: return left >= right ? 1 : 0
    case .and: return left != 0 && right != 0 ? 1 : 0
    case .or: return left != 0 || right != 0 ? 1 : 0
    case .xor: return (left != 0) != (right != 0) ? 1 : 0
    case .prelu: return nil
    }
  }
}

extension KnownTensor {
  /// Two tensors element by element; nil where one is of floats and the other is not.
  /// - Throws: `data` when a result depends on what a dynamic size will be, or is no whole number of 64 bits.
  func combined(
    _ other: KnownTensor, _ function: BinaryFunction, shape target: [Int], name: String
  ) throws(PackError) -> KnownTensor? {
    guard let left = KnownTensor.broadcastSteps(shape, to: target),
      let right = KnownTensor.broadcastSteps(other.shape, to: target),
      knownCount(target) != nil
    else { return nil }
    let pairs = zip(offsets(target, steps: left), offsets(target, steps: right))
    if let first = floats, let second = other.floats {
      if let truth = Self.comparison(function) {
        return KnownTensor(
          shape: target, type: .bool, elements: .integers(pairs.map { truth(first[$0], second[$1]) ? 1 : 0 }))
      }
      guard let apply = Self.arithmetic(function) else { return nil }
      return KnownTensor(floats: pairs.map { apply(first[$0], second[$1]) }, shape: target)
    }
    guard let first = extents, let second = other.extents else { return nil }
    var results: [Extent] = []
    for (leftPlace, rightPlace) in pairs {
      guard let result = SizeArithmetic.combine(function, first[leftPlace], second[rightPlace]) else {
        throw PackError(
          .data, place: "node \(name)", Self.noResult(function, first[leftPlace], second[rightPlace]))
      }
      results.append(result)
    }
    return KnownTensor(shape: target, type: type, elements: .sizes(results)).simplified
  }

  private static func noResult(_ function: BinaryFunction, _ left: Extent, _ right: Extent) -> String {
    guard let first = left.fixed, let second = right.fixed else {
      return "its result depends on what a dynamic size will be; fix the sizes of the inputs with --shape"
    }
    return "\(function) of \(first) and \(second) has no result among the whole numbers of 64 bits"
  }

  private static func comparison(_ function: BinaryFunction) -> ((Float, Float) -> Bool)? {
    switch function {
    case .equal: { $0 == $1 }
    case .less: { $0 < $1 }
    case .lessOrEqual: { $0 <= $1 }
    case .greater: { $0 > $1 }
    case .greaterOrEqual: { $0 >= $1 }
    default: nil
    }
  }

  private static func arithmetic(_ function: BinaryFunction) -> ((Float, Float) -> Float)? {
    switch function {
    case .add: { $0 + $1 }
    case .subtract: { $0 - $1 }
    case .multiply: { $0 * $1 }
    case .divide: { $0 / $1 }
    case .minimum: { min($0, $1) }
    case .maximum: { max($0, $1) }
    case .power: { powf($0, $1) }
    default: nil
    }
  }
}
