import CKernelABI
import Glibc
import SoniqKernels
import SoniqTestSupport
import Testing

@Suite struct ActivationKernelTests {
  static let kinds = Array(SNQ_GELU_ERF...SNQ_SIGN)
  /// Of the kinds that have them.
  static let alpha: Float = 0.25
  static let beta: Float = 1.5

  /// Runs over guarded rows with gaps between them; in place when asked.
  static func run(
    _ function: snq_activation_function, _ kind: Int, _ channels: Int, _ values: [Float],
    inPlace: Bool = false
  ) -> [UInt32] {
    let rows = 3
    let stride = channels + 5
    let source = GuardedBuffer(Array(values.prefix((rows - 1) * stride + channels)))
    let target = inPlace ? source : GuardedBuffer([Float](repeating: 9, count: source.count))
    var args = snq_activation_args(
      kind: UInt32(kind), input: source.start, inputStride: stride, channels: UInt32(channels),
      output: target.start, outputStride: stride, alpha: Self.alpha, beta: Self.beta)
    function(&args, 0, 1)
    function(&args, 1, 3)
    #expect(source.isIntact && target.isIntact)
    return target.elements.map(\.comparableBits)
  }

  @Test(arguments: RowKernels.faster)
  func equalsPortable(instructionSet: InstructionSet) throws {
    let family = RowKernelRegistry.activation
    let kernel = try RowKernels.kernel(family, of: instructionSet)
    var generator = SeededGenerator(seed: 31)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases where content != .zeros {
        let values = content.values(3 * (channels + 5), &generator)
        for kind in Self.kinds {
          let expected = Self.run(family.reference.function, kind, channels, values)
          #expect(
            Self.run(kernel.function, kind, channels, values) == expected, "\(kind) \(channels) \(content)")
          let inPlace = Self.run(kernel.function, kind, channels, values, inPlace: true)
          for row in 0..<3 {
            let columns = row * (channels + 5)..<row * (channels + 5) + channels
            #expect(inPlace[columns] == expected[columns], "in place: \(kind) \(channels) \(content)")
          }
        }
      }
    }
  }

  /// Every float of a fine grid through the whole interesting range, on every instruction set.
  @Test(arguments: RowKernels.faster)
  func equalsPortableOnAGrid(instructionSet: InstructionSet) throws {
    let family = RowKernelRegistry.activation
    let kernel = try RowKernels.kernel(family, of: instructionSet)
    let values = (0..<60000).map { Float($0 - 30000) * 0.003_1 }
    for kind in Self.kinds {
      let expected = Self.run(family.reference.function, kind, 19000, values)
      #expect(Self.run(kernel.function, kind, 19000, values) == expected, "\(kind)")
    }
  }

  static func truth(_ kind: Int, _ x: Double) -> Double {
    switch kind {
    case SNQ_GELU_ERF: 0.5 * x * erfc(-x / 2.0.squareRoot())
    case SNQ_GELU_TANH: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case SNQ_RELU: max(x, 0)
    case SNQ_SILU: x / (1 + exp(-x))
    case SNQ_SIGMOID: 1 / (1 + exp(-x))
    case SNQ_RELU6: min(max(x, 0), 6)
    case SNQ_TANH: tanh(x)
    case SNQ_LEAKY_RELU: x < 0 ? 0.25 * x : x
    case SNQ_CLIP: min(1.5, max(0.25, x))
    case SNQ_HARD_SIGMOID: min(1, max(0, 0.25 * x + 1.5))
    case SNQ_HARD_SWISH: x * min(1, max(0, x / 6 + 0.5))
    case SNQ_ELU: x < 0 ? 0.25 * expm1(x) : x
    case SNQ_SOFTPLUS: max(x, 0) + log1p(exp(-abs(x)))
    case SNQ_MISH: x * tanh(max(x, 0) + log1p(exp(-abs(x))))
    case SNQ_ABSOLUTE: abs(x)
    case SNQ_NEGATIVE: -x
    case SNQ_RECIPROCAL: 1 / x
    case SNQ_SQUARE_ROOT: x.squareRoot()
    case SNQ_EXPONENTIAL: exp(x)
    case SNQ_LOGARITHM: log(x)
    case SNQ_ERF: erf(x)
    case SNQ_FLOOR: floor(x)
    case SNQ_CEILING: ceil(x)
    case SNQ_ROUND: x.rounded(.toNearestOrEven)
    default: x > 0 ? 1 : x < 0 ? -1 : x
    }
  }

  /// The portable functions against double precision: error <= absolute + relative * |truth|.
  @Test(arguments: [
    (SNQ_GELU_ERF, 7.5e-7, 1e-7), (SNQ_GELU_TANH, 3e-7, 3e-7), (SNQ_RELU, 0, 0), (SNQ_SILU, 1e-37, 2.5e-7),
    (SNQ_SIGMOID, 1e-37, 2.5e-7), (SNQ_TANH, 0, 2.5e-7), (SNQ_LEAKY_RELU, 0, 0), (SNQ_CLIP, 0, 0),
    (SNQ_HARD_SIGMOID, 0, 1.2e-7), (SNQ_HARD_SWISH, 1e-6, 3e-7), (SNQ_ELU, 0, 3e-7),
    (SNQ_SOFTPLUS, 1e-37, 3e-7), (SNQ_MISH, 1e-36, 5e-7), (SNQ_ABSOLUTE, 0, 0), (SNQ_NEGATIVE, 0, 0),
    (SNQ_RECIPROCAL, 0, 1.2e-7), (SNQ_SQUARE_ROOT, 0, 1.2e-7), (SNQ_EXPONENTIAL, 1e-44, 3e-7),
    (SNQ_LOGARITHM, 0, 1.2e-7), (SNQ_ERF, 1e-6, 1e-7), (SNQ_FLOOR, 0, 0), (SNQ_CEILING, 0, 0),
    (SNQ_RELU6, 0, 0), (SNQ_ROUND, 0, 0), (SNQ_SIGN, 0, 0),
  ])
  func isAccurate(kind: Int, absolute: Double, relative: Double) {
    var generator = SeededGenerator(seed: 32)
    var values = (0..<60000).map { _ in
      Bool.random(using: &generator)
        ? Float.random(in: -12...12, using: &generator) : Float.random(in: -86...86, using: &generator)
    }
    let isOfPositive = kind == SNQ_SQUARE_ROOT || kind == SNQ_LOGARITHM
    if isOfPositive { values = values.map { abs($0) } }
    let bits = Self.run(RowKernelRegistry.activation.reference.function, kind, 19000, values)
    var worst = 0.0
    for row in 0..<3 {
      for column in row * 19005..<row * 19005 + 19000 {
        let truth = Self.truth(kind, Double(values[column]))
        let excess = abs(Double(Float(bitPattern: bits[column])) - truth) - relative * abs(truth)
        worst = max(worst, excess)
      }
    }
    #expect(worst <= absolute, "activation \(kind): error \(worst), seed \(generator.seed)")
  }

  @Test func meetsInfinityAndNaN() {
    func value(_ kind: Int, _ x: Float) -> Float {
      Float(
        bitPattern: Self.run(
          RowKernelRegistry.activation.reference.function, kind, 1, [Float](repeating: x, count: 13))[0])
    }
    for kind in Self.kinds { #expect(value(kind, .nan).isNaN, "\(kind)") }
    #expect(value(SNQ_EXPONENTIAL, 89) == .infinity)
    #expect(value(SNQ_EXPONENTIAL, -200) == 0)
    #expect(value(SNQ_LOGARITHM, 0) == -.infinity)
    #expect(value(SNQ_LOGARITHM, .infinity) == .infinity)
    #expect(value(SNQ_LOGARITHM, -1).isNaN)
    #expect(abs(value(SNQ_LOGARITHM, 1e-42) - -96.71) < 0.01)
    #expect(value(SNQ_ERF, .infinity) == 1)
    #expect(value(SNQ_SOFTPLUS, .infinity) == .infinity)
    #expect(value(SNQ_MISH, .infinity) == .infinity)
    #expect(value(SNQ_ELU, -.infinity) == -Self.alpha)
    #expect(value(SNQ_CLIP, .infinity) == Self.beta)
    #expect(value(SNQ_GELU_ERF, .infinity) == .infinity)
    #expect(value(SNQ_GELU_ERF, 3e38) == 3e38)
    #expect(value(SNQ_GELU_ERF, -3e38) == 0)
    #expect(value(SNQ_SIGMOID, .infinity) == 1)
    #expect(value(SNQ_SIGMOID, -.infinity) < 1e-38)
    #expect(value(SNQ_TANH, .infinity) == 1)
    #expect(value(SNQ_TANH, -.infinity) == -1)
    #expect(value(SNQ_SILU, .infinity) == .infinity)
  }
}
