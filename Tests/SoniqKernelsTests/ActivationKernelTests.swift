import CKernelABI
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

/// The functions of the table against the kernels.
@Suite struct ActivationKernelTests {
  /// Of the kinds that have them.
  static let alpha: Float = 0.25
  static let beta: Float = 1.5

  /// Runs over guarded rows with gaps between them; in place when asked.
  static func run(
    _ function: snq_activation_function, _ kind: ElementKind, _ channels: Int, _ values: [Float],
    inPlace: Bool = false, gap: Int = 5
  ) -> [UInt32] {
    let rows = 3
    let stride = channels + gap
    let source = GuardedBuffer(Array(values.prefix((rows - 1) * stride + channels)))
    let target = inPlace ? source : GuardedBuffer([Float](repeating: 9, count: source.count))
    var args = snq_activation_args(
      kind: UInt32(kind.rawValue), input: source.start, inputStride: stride, channels: UInt32(channels),
      output: target.start, outputStride: stride, alpha: Self.alpha, beta: Self.beta)
    function(&args, 0, 1)
    function(&args, 1, 3)
    #expect(source.isIntact && target.isIntact)
    return target.elements.map(\.comparableBits)
  }

  /// The values of a portable kernel.
  static func portable(_ kind: ElementKind, _ values: [Float]) -> [Float] {
    var result = values
    result.withUnsafeMutableBufferPointer { buffer in
      var args = snq_activation_args(
        kind: UInt32(kind.rawValue), input: buffer.baseAddress, inputStride: buffer.count,
        channels: UInt32(buffer.count), output: buffer.baseAddress, outputStride: buffer.count,
        alpha: Self.alpha, beta: Self.beta)
      RowKernelRegistry.activation.reference.function(&args, 0, 1)
    }
    return result
  }

  @Test(arguments: RowKernels.faster)
  func equalsPortable(instructionSet: InstructionSet) throws {
    let family = RowKernelRegistry.activation
    let kernel = try RowKernels.kernel(family, of: instructionSet)
    var generator = SeededGenerator(seed: 31)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases where content != .zeros {
        let values = content.values(3 * (channels + 5), &generator)
        for kind in ElementKind.allCases {
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

  /// Rows without gaps, which a kernel may take as one.
  @Test(arguments: InstructionSet.allCases)
  func denseRowsAreRows(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.activation, of: instructionSet)
    var generator = SeededGenerator(seed: 32)
    for channels in RowKernels.channelCounts {
      let values = RowKernels.Content.ordinary.values(3 * channels, &generator)
      for kind in ElementKind.allCases {
        let expected = (0..<3).flatMap { row in
          Self.portable(kind, Array(values[row * channels..<(row + 1) * channels])).map(\.comparableBits)
        }
        #expect(
          Self.run(kernel.function, kind, channels, values, gap: 0) == expected, "\(kind) \(channels)")
      }
    }
  }

  /// Floats of a fine grid through the whole interesting range and of all exponents, on every instruction set.
  @Test(arguments: RowKernels.faster)
  func equalsPortableOnSweeps(instructionSet: InstructionSet) throws {
    let family = RowKernelRegistry.activation
    let kernel = try RowKernels.kernel(family, of: instructionSet)
    let grid = (0..<60000).map { Float($0 - 30000) * 0.003_1 }
    for values in [grid, FloatSweep.everyExponent] {
      for kind in ElementKind.allCases {
        let expected = Self.run(family.reference.function, kind, 19000, values)
        let bits = Self.run(kernel.function, kind, 19000, values)
        let place = bits.indices.first { bits[$0] != expected[$0] }
        #expect(place == nil, "\(kind) of \(place.map { "\(values[$0])" } ?? "")")
      }
    }
  }

  @Test func meetsInfinityAndNaN() {
    func value(_ kind: ElementKind, _ x: Float) -> Float { Self.portable(kind, [x])[0] }
    for kind in ElementKind.allCases {
      #expect(value(kind, .nan).isNaN, "\(kind)")
      #expect(kind.row.value(.nan, 0.25, 1.5).isNaN, "\(kind)")
    }
    #expect(value(.exponential, 89) == .infinity)
    #expect(value(.exponential, -200) == 0)
    #expect(value(.logarithm, 0) == -.infinity)
    #expect(value(.logarithm, .infinity) == .infinity)
    #expect(value(.logarithm, -1).isNaN)
    #expect(abs(value(.logarithm, 1e-42) - -96.71) < 0.01)
    #expect(value(.erf, .infinity) == 1)
    #expect(value(.softplus, .infinity) == .infinity)
    #expect(value(.mish, .infinity) == .infinity)
    #expect(value(.elu, -.infinity) == -Self.alpha)
    #expect(value(.clip, .infinity) == Self.beta)
    #expect(value(.geluErf, .infinity) == .infinity)
    #expect(value(.geluErf, 3e38) == 3e38)
    #expect(value(.geluErf, -3e38) == 0)
    #expect(value(.sigmoid, .infinity) == 1)
    #expect(value(.sigmoid, -.infinity) < 1e-38)
    #expect(value(.tanh, .infinity) == 1)
    #expect(value(.tanh, -.infinity) == -1)
    #expect(value(.silu, .infinity) == .infinity)
  }
}
