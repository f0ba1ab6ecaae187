import CKernelABI
import FoundationEssentials
import Glibc
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

/// The table of functions of one float: whole, and true of the kernels.
@Suite struct ElementTableTests {
  /// error <= absolute + relative * |truth| for |x| <= limit.
  struct Bound {
    let absolute: Double
    let relative: Double
    var limit: Float = 86
  }

  static func bound(_ kind: ElementKind) -> Bound {
    switch kind {
    case .geluErf: Bound(absolute: 7.5e-7, relative: 1e-7)
    case .geluTanh: Bound(absolute: 3e-7, relative: 3e-7)
    case .silu, .sigmoid: Bound(absolute: 1e-37, relative: 2.5e-7)
    case .tanh: Bound(absolute: 0, relative: 2.5e-7, limit: .infinity)
    case .hardSwish: Bound(absolute: 1e-6, relative: 3e-7)
    case .hardSigmoid: Bound(absolute: 0, relative: 1.2e-7, limit: .infinity)
    case .elu: Bound(absolute: 0, relative: 3e-7, limit: .infinity)
    case .softplus: Bound(absolute: 1e-37, relative: 3e-7)
    case .mish: Bound(absolute: 1e-36, relative: 5e-7)
    case .reciprocal, .squareRoot, .logarithm: Bound(absolute: 0, relative: 1.2e-7, limit: .infinity)
    case .exponential: Bound(absolute: 1e-44, relative: 3e-7)
    case .erf: Bound(absolute: 1e-6, relative: 1e-7, limit: .infinity)
    case .sine, .cosine, .arcCosine, .arcTangent: Bound(absolute: 0, relative: 1.5e-7, limit: .infinity)
    case .tangent, .arcSine, .inverseHyperbolicSine, .inverseHyperbolicCosine, .inverseHyperbolicTangent:
      Bound(absolute: 0, relative: 2e-7, limit: .infinity)
    case .hyperbolicSine, .hyperbolicCosine: Bound(absolute: 0, relative: 2.5e-7, limit: .infinity)
    case .relu, .relu6, .leakyRelu, .clip, .absolute, .negative, .floor, .ceiling, .round, .sign:
      Bound(absolute: 0, relative: 0, limit: .infinity)
    }
  }

  /// The header's list and the table's are one, number for number and name for name.
  @Test func everyKindOfTheHeaderHasARow() throws {
    let header = try String(
      contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "../../Sources/CKernelABI/include/CKernelABI.h"), encoding: .utf8)
    let list = try #require(header.firstRange(of: "SNQ_GELU_ERF ="))
    let text = header[list.lowerBound...].prefix { $0 != "}" }
    var kinds: [UInt8: String] = [:]
    for match in text.matches(of: /SNQ_([A-Z0-9_]+) = ([0-9]+),/) {
      let number = try #require(UInt8(match.output.2))
      #expect(kinds.updateValue(String(match.output.1), forKey: number) == nil, "\(number) twice")
    }
    let rows = ElementKind.allCases.map { kind in
      (kind.rawValue, "\(kind)".replacing(/[A-Z]/) { "_\($0.output)" }.uppercased())
    }
    #expect(kinds == Dictionary(uniqueKeysWithValues: rows))
  }

  /// A kind without a case leaves its output as it is.
  @Test func everyRowHasAKernelCase() {
    for kind in ElementKind.allCases {
      let bits = ActivationKernelTests.run(
        RowKernelRegistry.activation.reference.function, kind, 3, [Float](repeating: 0.6, count: 19))
      #expect(bits[0] != Float(9).bitPattern, "\(kind)")
    }
  }

  /// The portable kernels against the double precision of the row.
  @Test(arguments: ElementKind.allCases) func isAccurate(kind: ElementKind) {
    var generator = SeededGenerator(seed: 32)
    let bound = Self.bound(kind)
    var values = (0..<60000).map { _ in
      Bool.random(using: &generator)
        ? Float.random(in: -12...12, using: &generator) : Float.random(in: -86...86, using: &generator)
    }
    // Across the place where angles are reduced in another way.
    values += (0..<20000).map { _ in Float.random(in: -20000...20000, using: &generator) }
    values += FloatSweep.everyExponent
    values.removeAll { abs($0) > bound.limit }
    let results = ActivationKernelTests.portable(kind, values)
    var worst = (excess: 0.0, place: 0)
    for (place, (x, result)) in zip(values, results).enumerated() {
      let truth = kind.row.value(
        Double(x), Double(ActivationKernelTests.alpha), Double(ActivationKernelTests.beta))
      if truth.isNaN || !Float(truth).isFinite {
        #expect(result.isNaN == truth.isNaN && (truth.isNaN || result == Float(truth)), "\(kind) of \(x)")
        continue
      }
      let error = abs(Double(result) - truth) - bound.relative * abs(truth)
      // One unit of the numbers below the normal ones is none of the function.
      let excess = truth.magnitude < 0x1p-126 ? error - 0x1p-149 : error
      if !(excess <= worst.excess) { worst = (excess, place) }
    }
    #expect(
      worst.excess <= bound.absolute,
      "\(kind) of \(values[worst.place]): \(results[worst.place]), seed \(generator.seed)")
  }
}
