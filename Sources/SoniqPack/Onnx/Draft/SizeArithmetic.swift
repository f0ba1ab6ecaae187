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
    case .add: return left.plus(right)
    case .subtract: return left.minus(right)
    case .maximum, .minimum:
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

  /// The sign of left - right where it is the same for all dynamic sizes, which are at least 1.
  private static func compare(_ left: Extent, _ right: Extent) -> Int? {
    guard let difference = left.minus(right) else { return nil }
    if let number = difference.fixed { return number.signum() }
    // Terms of one sign are least, by amount, where all sizes are 1.
    let sum = difference.expression.value { _ in 1 } ?? 0
    let signs = Set(difference.terms.filter { !$0.symbols.isEmpty }.map { $0.coefficient.signum() })
    guard signs.count == 1, let sign = signs.first, sum.signum() == sign else { return nil }
    return sign
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
    case .remainder: return checked(left.remainderReportingOverflow(dividingBy: right))
    case .bitAnd: return left & right
    case .bitOr: return left | right
    case .bitXor: return left ^ right
    case .shiftLeft, .shiftRight, .prelu: return nil
    }
  }
}

extension DraftGraph {
  /// Two tensors element by element; nil where one is of floats and the other is not.
  /// - Throws: `data` when a result depends on what a dynamic size will be, or is no whole number of 64 bits.
  mutating func combined(
    _ left: KnownTensor, _ right: KnownTensor, _ function: BinaryFunction, shape target: [Int], name: String
  ) throws(PackError) -> KnownTensor? {
    guard let leftSteps = KnownTensor.broadcastSteps(left.shape, to: target),
      let rightSteps = KnownTensor.broadcastSteps(right.shape, to: target),
      knownCount(target) != nil
    else { return nil }
    let pairs = zip(offsets(target, steps: leftSteps), offsets(target, steps: rightSteps))
    if let first = left.floats, let second = right.floats {
      return KnownTensor.combined(first, second, function, pairs.map { ($0, $1) }, shape: target)
    }
    guard let first = left.extents, let second = right.extents else { return nil }
    var results: [Extent] = []
    for (leftPlace, rightPlace) in pairs {
      let (one, other) = (first[leftPlace], second[rightPlace])
      guard let result = try combine(function, one, other) else {
        throw PackError(.data, place: "node \(name)", noResult(function, one, other))
      }
      results.append(result)
    }
    return KnownTensor(shape: target, type: left.type, elements: .sizes(results)).simplified
  }

  private func noResult(_ function: BinaryFunction, _ left: Extent, _ right: Extent) -> String {
    guard let first = left.fixed, let second = right.fixed else {
      return
        "its result, \(function) of \(words(left)) and \(words(right)), depends on what a dynamic size will be; "
        + "fix the sizes of the inputs with --shape"
    }
    return "\(function) of \(first) and \(second) has no result among the whole numbers of 64 bits"
  }

  /// A comparison of which the bounds of the sizes leave one result.
  private func compare(_ function: BinaryFunction, _ left: Extent, _ right: Extent) -> Extent? {
    guard let range = left.minus(right).flatMap({ bounds($0) }) else { return nil }
    let (least, most) = range
    let truth: Bool? =
      switch function {
      case .equal: least > 0 || most < 0 ? false : nil
      case .less: most < 0 ? true : least >= 0 ? false : nil
      case .lessOrEqual: most <= 0 ? true : least > 0 ? false : nil
      case .greater: least > 0 ? true : most <= 0 ? false : nil
      case .greaterOrEqual: least >= 0 ? true : most < 0 ? false : nil
      default: nil
      }
    return truth.map { Extent($0 ? 1 : 0) }
  }

  /// Likewise, of which one size is never more than the other.
  private func orderedTruth(_ function: BinaryFunction, _ left: Extent, _ right: Extent) -> Extent? {
    switch function {
    case .less, .greaterOrEqual:
      isAtMost(right, left) ? Extent(function == .less ? 0 : 1) : nil
    case .greater, .lessOrEqual:
      isAtMost(left, right) ? Extent(function == .greater ? 0 : 1) : nil
    default: nil
    }
  }

  /// The result as a number, or as a size of its own; nil where it depends on what a dynamic size will be.
  mutating func combine(_ function: BinaryFunction, _ left: Extent, _ right: Extent) throws(PackError)
    -> Extent?
  {
    if let exact = SizeArithmetic.combine(function, left, right) { return exact }
    if let truth = compare(function, left, right) ?? orderedTruth(function, left, right) { return truth }
    if function == .minimum || function == .maximum {
      if isAtMost(left, right) { return function == .minimum ? left : right }
      if isAtMost(right, left) { return function == .minimum ? right : left }
    }
    return try followingSize(function, left, right)
  }

  /// A quotient that is rounded, the smaller or the larger of two sizes: as a size of its own. nil where it is none.
  private mutating func followingSize(
    _ function: BinaryFunction, _ left: Extent, _ right: Extent
  ) throws(PackError) -> Extent? {
    switch function {
    case .divide:
      // Rounded towards 0, as it is rounded down where nothing is negative.
      guard let divisor = right.fixed, divisor > 1, isAtMost(Extent(0), left) else { return nil }
      let least = bounds(left)?.least ?? 0
      // A size is at least 1: of what may be 0, one more is a size.
      let added = least >= divisor ? 0 : 1
      guard let dividend = left.plus(Extent(added * divisor)) else { return nil }
      let size = try dimension(SizeExpression(dividend.terms, divisor: divisor))
      return extent(size).minus(Extent(added))
    case .minimum, .maximum:
      // What is taken off either is put to both, and comes off the result: max(256 - n, 0) = max(256, n) - n.
      let negative = (left.terms + right.terms).filter { $0.coefficient < 0 && !$0.symbols.isEmpty }
      guard let taken = Extent(negative), let first = left.minus(taken), let second = right.minus(taken)
      else {
        return nil
      }
      return try chosenSize(function, first, second)?.plus(taken)
    default: return nil
    }
  }

  private mutating func chosenSize(
    _ function: BinaryFunction, _ left: Extent, _ right: Extent
  ) throws(PackError) -> Extent? {
    if left == right { return left }
    // What both are larger by stands beside.
    let dynamic = left.fixed == nil ? left : right
    let constant = dynamic.terms.first { $0.symbols.isEmpty }?.coefficient ?? 0
    guard let first = try term(left, less: constant), let second = try term(right, less: constant) else {
      return nil
    }
    let size = try dimension(SizeExpression(function == .minimum ? .minimum : .maximum, [first, second]))
    return extent(size).plus(Extent(constant))
  }

  /// An extent less a number as one term; nil where it may be less than 1.
  private mutating func term(_ extent: Extent, less number: Int) throws(PackError) -> SizeTerm? {
    guard let rest = extent.minus(Extent(number)), let least = bounds(rest)?.least, least >= 1 else {
      return nil
    }
    if rest.terms.count == 1 { return rest.terms[0] }
    guard case .symbol(let symbol) = try dimension(rest) else { return nil }
    return SizeTerm(1, [symbol])
  }
}

extension KnownTensor {
  fileprivate static func combined(
    _ first: [Float], _ second: [Float], _ function: BinaryFunction, _ pairs: [(Int, Int)], shape: [Int]
  ) -> KnownTensor? {
    if let truth = comparison(function) {
      return KnownTensor(
        shape: shape, type: .bool, elements: .integers(pairs.map { truth(first[$0], second[$1]) ? 1 : 0 }))
    }
    guard let apply = arithmetic(function) else { return nil }
    return KnownTensor(floats: pairs.map { apply(first[$0], second[$1]) }, shape: shape)
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
