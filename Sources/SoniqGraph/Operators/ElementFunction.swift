import Glibc

/// The functions of one float. A raw value is the kind of the kernel contract (`SNQ_GELU_ERF` and so on); `row` says all
/// else that importer, runtime and file need to know.
package enum ElementKind: UInt8, CaseIterable, Hashable, Sendable, BitwiseCopyable {
  case geluErf = 1
  case geluTanh, relu, silu, sigmoid, tanh, relu6, hardSwish, leakyRelu, clip, hardSigmoid, elu, softplus,
    mish
  case absolute, negative, reciprocal, squareRoot, exponential, logarithm, erf, floor, ceiling, round, sign
  case sine, cosine, tangent, arcSine, arcCosine, arcTangent, hyperbolicSine, hyperbolicCosine
  case inverseHyperbolicSine, inverseHyperbolicCosine, inverseHyperbolicTangent
}

/// One row of the table of functions.
package struct ElementRow: Sendable {
  /// Its tag in the records of `activation` and of `unary`; nil where they do not have it.
  let activation: RecordTag?
  let unary: RecordTag?
  /// The numbers that it has: alpha of the kernel contract, then beta.
  package let parameters: [ElementParameter]
  /// The function in double precision: of x, alpha and beta. NaN gives NaN.
  package let value: @Sendable (_ x: Double, _ alpha: Double, _ beta: Double) -> Double
}

/// A function's number in a kind of record, and the first version of the format that has it there.
struct RecordTag: Sendable {
  var value: UInt8
  var since = 1
}

package struct ElementParameter: Sendable {
  package let name: String
  /// Infinite numbers leave a bound open; NaN is refused everywhere.
  let mayBeInfinite: Bool

  static let alpha = ElementParameter(name: "alpha", mayBeInfinite: false)
  static let beta = ElementParameter(name: "beta", mayBeInfinite: false)
  static let low = ElementParameter(name: "low", mayBeInfinite: true)
  static let high = ElementParameter(name: "high", mayBeInfinite: true)

  func accepts(_ number: Float) -> Bool { mayBeInfinite ? !number.isNaN : number.isFinite }
}

extension ElementKind {
  /// Whether `activation` records have it: as those of files of all versions, they are preferred.
  package var isActivation: Bool { row.activation != nil }

  /// The table.
  package var row: ElementRow {
    switch self {
    case .geluErf: Self.activation(1) { x, _, _ in 0.5 * x * Glibc.erfc(-x / 2.0.squareRoot()) }
    case .geluTanh:
      Self.activation(2) { x, _, _ in
        0.5 * x * (1 + Glibc.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      }
    case .relu: Self.activation(3) { x, _, _ in max(x, 0) }
    case .silu: Self.activation(4) { x, _, _ in x / (1 + exp(-x)) }
    case .sigmoid: Self.activation(5) { x, _, _ in 1 / (1 + exp(-x)) }
    case .tanh: Self.activation(6) { x, _, _ in Glibc.tanh(x) }
    case .relu6: Self.activation(7, since: 2) { x, _, _ in Self.clipped(x, 0, 6) }
    case .hardSwish:
      Self.activation(8, since: 2, unary: 4) { x, _, _ in x * Self.clipped(x / 6 + 0.5, 0, 1) }
    case .leakyRelu: Self.unary(1, [.alpha]) { x, alpha, _ in x < 0 ? alpha * x : x }
    case .clip: Self.unary(2, [.low, .high]) { x, low, high in Self.clipped(x, low, high) }
    case .hardSigmoid:
      Self.unary(3, [.alpha, .beta]) { x, alpha, beta in Self.clipped(alpha * x + beta, 0, 1) }
    case .elu: Self.unary(5, [.alpha]) { x, alpha, _ in x < 0 ? alpha * expm1(x) : x }
    case .softplus: Self.unary(6) { x, _, _ in Self.softplus(x) }
    case .mish: Self.unary(7) { x, _, _ in x * Glibc.tanh(Self.softplus(x)) }
    case .absolute: Self.unary(8) { x, _, _ in abs(x) }
    case .negative: Self.unary(9) { x, _, _ in -x }
    case .reciprocal: Self.unary(10) { x, _, _ in 1 / x }
    case .squareRoot: Self.unary(11) { x, _, _ in x.squareRoot() }
    case .exponential: Self.unary(12) { x, _, _ in exp(x) }
    case .logarithm: Self.unary(13) { x, _, _ in log(x) }
    case .erf: Self.unary(14) { x, _, _ in Glibc.erf(x) }
    case .floor: Self.unary(15) { x, _, _ in x.rounded(.down) }
    case .ceiling: Self.unary(16) { x, _, _ in x.rounded(.up) }
    case .round: Self.unary(17) { x, _, _ in x.rounded(.toNearestOrEven) }
    case .sign: Self.unary(18) { x, _, _ in x > 0 ? 1 : x < 0 ? -1 : x }
    case .sine: Self.unary(20, since: 3) { x, _, _ in sin(x) }
    case .cosine: Self.unary(21, since: 3) { x, _, _ in cos(x) }
    case .tangent: Self.unary(22, since: 3) { x, _, _ in tan(x) }
    case .arcSine: Self.unary(23, since: 3) { x, _, _ in asin(x) }
    case .arcCosine: Self.unary(24, since: 3) { x, _, _ in acos(x) }
    case .arcTangent: Self.unary(25, since: 3) { x, _, _ in atan(x) }
    case .hyperbolicSine: Self.unary(26, since: 3) { x, _, _ in sinh(x) }
    case .hyperbolicCosine: Self.unary(27, since: 3) { x, _, _ in cosh(x) }
    case .inverseHyperbolicSine: Self.unary(28, since: 3) { x, _, _ in asinh(x) }
    case .inverseHyperbolicCosine: Self.unary(29, since: 3) { x, _, _ in acosh(x) }
    case .inverseHyperbolicTangent: Self.unary(30, since: 3) { x, _, _ in atanh(x) }
    }
  }

  private static func activation(
    _ tag: UInt8, since: Int = 1, unary: UInt8? = nil,
    _ value: @escaping @Sendable (Double, Double, Double) -> Double
  ) -> ElementRow {
    ElementRow(
      activation: RecordTag(value: tag, since: since), unary: unary.map { RecordTag(value: $0) },
      parameters: [], value: value)
  }

  private static func unary(
    _ tag: UInt8, since: Int = 1, _ parameters: [ElementParameter] = [],
    _ value: @escaping @Sendable (Double, Double, Double) -> Double
  ) -> ElementRow {
    ElementRow(
      activation: nil, unary: RecordTag(value: tag, since: since), parameters: parameters, value: value)
  }

  /// The comparison keeps x where it is NaN.
  private static func clipped(_ x: Double, _ low: Double, _ high: Double) -> Double {
    min(max(x, low), high)
  }

  /// log(1 + e^x).
  private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
}

/// A function of one float with its numbers: as `activation` and `unary` nodes have it, as kernels take it.
package struct ElementFunction: Hashable, Sendable, BitwiseCopyable {
  package let kind: ElementKind
  /// As the kernel contract names them; 0 where the kind has none.
  package let alpha: Float
  package let beta: Float

  /// A function of a kind that has no numbers.
  package init(_ kind: ElementKind) { self.init(kind, 0, 0) }

  private init(_ kind: ElementKind, _ alpha: Float, _ beta: Float) {
    (self.kind, self.alpha, self.beta) = (kind, alpha, beta)
  }

  /// nil when a number that the kind does not have is not 0.
  init?(coded kind: ElementKind, _ alpha: Float, _ beta: Float) {
    let count = kind.row.parameters.count
    guard count > 0 || alpha.bitPattern == 0, count > 1 || beta.bitPattern == 0 else { return nil }
    self.init(kind, alpha, beta)
  }

  package static let geluErf = ElementFunction(.geluErf)
  package static let geluTanh = ElementFunction(.geluTanh)
  package static let relu = ElementFunction(.relu)
  package static let silu = ElementFunction(.silu)
  package static let sigmoid = ElementFunction(.sigmoid)
  package static let tanh = ElementFunction(.tanh)
  /// min(max(x, 0), 6)
  package static let relu6 = ElementFunction(.relu6)
  /// x * min(max(x / 6 + 0.5, 0), 1)
  package static let hardSwish = ElementFunction(.hardSwish)

  /// alpha * x below 0.
  package static func leakyRelu(alpha: Float) -> ElementFunction { ElementFunction(.leakyRelu, alpha, 0) }
  /// min(max(x, low), high); infinite bounds leave that side open.
  package static func clip(low: Float, high: Float) -> ElementFunction { ElementFunction(.clip, low, high) }
  /// min(max(alpha * x + beta, 0), 1)
  package static func hardSigmoid(alpha: Float, beta: Float) -> ElementFunction {
    ElementFunction(.hardSigmoid, alpha, beta)
  }
  /// alpha * (e^x - 1) below 0.
  package static func elu(alpha: Float) -> ElementFunction { ElementFunction(.elu, alpha, 0) }

  /// The numbers with their names.
  package var parameters: [(parameter: ElementParameter, number: Float)] {
    Array(zip(kind.row.parameters, [alpha, beta]))
  }

  /// The function in double precision.
  package var value: @Sendable (Double) -> Double {
    let (value, alpha, beta) = (kind.row.value, Double(alpha), Double(beta))
    return { value($0, alpha, beta) }
  }

  /// The same function without numbers, where there is one.
  package var simplest: ElementFunction {
    switch (kind, alpha, beta) {
    case (.clip, 0, 6): .relu6
    case (.clip, 0, .infinity): .relu
    default: self
    }
  }

  func requireNumbers(_ node: NodeInference) throws(GraphError) {
    for (parameter, number) in parameters { try node.require(parameter.accepts(number), parameter.name) }
  }
}

extension ElementFunction: CustomStringConvertible {
  /// "relu", "clip(low: 0.0, high: 6.0)"
  package var description: String {
    let numbers = parameters.map { "\($0.parameter.name): \($0.number)" }.joined(separator: ", ")
    return numbers.isEmpty ? "\(kind)" : "\(kind)(\(numbers))"
  }
}
