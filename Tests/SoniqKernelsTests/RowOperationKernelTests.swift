import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Layer norm, addition, mean pooling and L2 normalisation.
@Suite struct RowOperationKernelTests {
  enum Place: CaseIterable { case apart, inPlace, inPlaceOfTheSecond }

  static func layerNorm(
    _ function: snq_layer_norm_function, _ channels: Int, _ values: [[Float]], residual: Bool, _ place: Place,
    isRMS: Bool = false
  ) -> [UInt32] {
    let stride = channels + 3
    let input = GuardedBuffer(values[0])
    let second = GuardedBuffer(values[1])
    let apart = GuardedBuffer([Float](repeating: 9, count: values[0].count))
    let gamma = GuardedBuffer(Array(values[2].prefix(channels)))
    let beta = GuardedBuffer(Array(values[3].prefix(channels)))
    let output = place == .apart ? apart : place == .inPlace ? input : second
    var args = snq_layer_norm_args(
      input: input.start, inputStride: stride, residual: residual ? UnsafePointer(second.start) : nil,
      residualStride: stride, gamma: gamma.start,
      beta: isRMS ? nil : UnsafePointer(beta.start), epsilon: 1e-12, keepsMean: isRMS ? 1 : 0,
      channels: UInt32(channels), output: output.start, outputStride: stride)
    function(&args, 0, 1)
    function(&args, 1, 2)
    #expect(input.isIntact && second.isIntact && apart.isIntact && gamma.isIntact && beta.isIntact)
    return (0..<2).flatMap { row in
      output.elements[row * stride..<row * stride + channels].map(\.comparableBits)
    }
  }

  @Test(arguments: RowKernels.faster)
  func layerNormEqualsPortable(instructionSet: InstructionSet) throws {
    let family = RowKernelRegistry.layerNorm
    let kernel = try RowKernels.kernel(family, of: instructionSet)
    var generator = SeededGenerator(seed: 51)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases {
        let values = (0..<4).map { _ in content.values(2 * channels + 3, &generator) }
        for (residual, isRMS) in [(false, false), (true, false), (false, true), (true, true)] {
          let expected = Self.layerNorm(
            family.reference.function, channels, values, residual: residual, .apart, isRMS: isRMS)
          for place in residual ? Place.allCases : [.apart, .inPlace] {
            let actual = Self.layerNorm(
              kernel.function, channels, values, residual: residual, place, isRMS: isRMS)
            #expect(actual == expected, "\(channels) \(content) residual \(residual) \(place) RMS \(isRMS)")
          }
        }
      }
    }
  }

  @Test(arguments: RowKernels.channelCounts)
  func rmsNormIsAccurate(channels: Int) {
    var generator = SeededGenerator(seed: 55)
    let values = (0..<4).map { _ in RowKernels.Content.ordinary.values(2 * channels + 3, &generator) }
    let bits = Self.layerNorm(
      RowKernelRegistry.layerNorm.reference.function, channels, values, residual: false, .apart, isRMS: true)
    for row in 0..<2 {
      let numbers = (0..<channels).map { Double(values[0][row * (channels + 3) + $0]) }
      let root = (numbers.reduce(0) { $0 + $1 * $1 } / Double(channels) + 1e-12).squareRoot()
      for channel in 0..<channels {
        let truth = numbers[channel] / root * Double(values[2][channel])
        let actual = Double(Float(bitPattern: bits[row * channels + channel]))
        #expect(abs(actual - truth) <= 1e-5 * max(1, abs(truth)), "\(channels) \(row) \(channel)")
      }
    }
  }

  @Test(arguments: RowKernels.channelCounts)
  func layerNormIsAccurate(channels: Int) {
    var generator = SeededGenerator(seed: 52)
    let values = (0..<4).map { _ in RowKernels.Content.ordinary.values(2 * channels + 3, &generator) }
    let bits = Self.layerNorm(
      RowKernelRegistry.layerNorm.reference.function, channels, values, residual: true, .apart)
    for row in 0..<2 {
      let sum = (0..<channels).map {
        Double(values[0][row * (channels + 3) + $0] + values[1][row * (channels + 3) + $0])
      }
      let mean = sum.reduce(0, +) / Double(channels)
      let variance = sum.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
      for channel in 0..<channels {
        let normal = (sum[channel] - mean) / (variance + 1e-12).squareRoot()
        let truth = normal * Double(values[2][channel]) + Double(values[3][channel])
        let actual = Double(Float(bitPattern: bits[row * channels + channel]))
        #expect(abs(actual - truth) < 2e-5, "\(channels) \(row) \(channel) seed \(generator.seed)")
      }
    }
  }

  static func sum(
    _ function: snq_add_function, _ channels: Int, _ left: [Float], _ right: [Float], rightRows: Int,
    inPlace: Bool = false, rectifies: Bool = false, gap: Int = 1
  ) -> [UInt32] {
    let stride = channels + gap
    let first = GuardedBuffer(left)
    let second = GuardedBuffer(right)
    let output = inPlace ? first : GuardedBuffer(left)
    var args = snq_add_args(
      left: first.start, leftStride: stride, right: second.start, rightStride: channels,
      rightRows: UInt32(rightRows), channels: UInt32(channels), rectifies: rectifies ? 1 : 0,
      output: output.start, outputStride: stride)
    function(&args, 0, 2)
    function(&args, 2, 5)
    #expect(first.isIntact && second.isIntact && output.isIntact)
    return output.elements.map(\.comparableBits)
  }

  /// Rows without gaps, which a kernel may take as one, and a part of them.
  @Test(arguments: InstructionSet.allCases)
  func additionOfDenseRows(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.add, of: instructionSet)
    var generator = SeededGenerator(seed: 54)
    for channels in RowKernels.channelCounts {
      let left = RowKernels.Content.ordinary.values(5 * channels, &generator)
      for rightRows in [3, 5] {
        let right = RowKernels.Content.ordinary.values(rightRows * channels, &generator)
        let expected = left.indices.map { left[$0] + right[$0 % (rightRows * channels)] }
        let got = Self.sum(kernel.function, channels, left, right, rightRows: rightRows, gap: 0)
        #expect(got == expected.map(\.comparableBits), "\(channels) channels, \(rightRows) rows")
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func additionRepeatsItsRightRows(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.add, of: instructionSet)
    var generator = SeededGenerator(seed: 53)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases {
        let left = content.values(4 * (channels + 1) + channels, &generator)
        for rightRows in [1, 2, 5] {
          let right = content.values(rightRows * channels, &generator)
          var expected = left
          for row in 0..<5 {
            for channel in 0..<channels {
              expected[row * (channels + 1) + channel] += right[row % rightRows * channels + channel]
            }
          }
          let bits = expected.map(\.comparableBits)
          #expect(Self.sum(kernel.function, channels, left, right, rightRows: rightRows) == bits)
          #expect(
            Self.sum(kernel.function, channels, left, right, rightRows: rightRows, inPlace: true) == bits)
          var rectified = expected
          for row in 0..<5 {
            for channel in 0..<channels {
              let place = row * (channels + 1) + channel
              // SNQ_RELU: (0 > x ? 0 : x), NaN stays.
              if 0 > rectified[place] { rectified[place] = 0 }
            }
          }
          #expect(
            Self.sum(kernel.function, channels, left, right, rightRows: rightRows, rectifies: true)
              == rectified.map(\.comparableBits))
        }
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func poolingFollowsTheDefinition(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.pool, of: instructionSet)
    var generator = SeededGenerator(seed: 54)
    for channels in RowKernels.channelCounts {
      for sequence in [1, 2, 9] {
        let stride = channels + 2
        let values = RowKernels.Content.ordinary.values((2 * sequence - 1) * stride + channels, &generator)
        for masked in [false, true] {
          // The second sequence has no valid position when masked.
          let mask = (0..<2 * sequence).map { $0 < sequence ? Int32.random(in: 0...1, using: &generator) : 0 }
          let input = GuardedBuffer(values)
          let valid = GuardedBuffer(mask)
          let output = GuardedBuffer([Float](repeating: 9, count: 2 * channels))
          var args = snq_pool_args(
            input: input.start, inputStride: stride, mask: masked ? UnsafePointer(valid.start) : nil,
            sequence: UInt32(sequence), channels: UInt32(channels), output: output.start,
            outputStride: channels)
          kernel.function(&args, 0, 1)
          kernel.function(&args, 1, 2)
          for (place, actual) in output.elements.enumerated() {
            let (row, channel) = (place / channels, place % channels)
            let positions = (0..<sequence).filter { !masked || mask[row * sequence + $0] != 0 }
            let total = positions.reduce(Float(0)) { $0 + values[(row * sequence + $1) * stride + channel] }
            let expected = positions.isEmpty ? 0 : total * (1 / Float(positions.count))
            #expect(actual.bitPattern == expected.bitPattern, "\(channels) \(sequence) \(masked) \(place)")
          }
          #expect(input.isIntact && valid.isIntact && output.isIntact)
        }
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func normalisationFollowsTheDefinition(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.normalize, of: instructionSet)
    var generator = SeededGenerator(seed: 55)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases {
        let values = content.values(channels, &generator)
        let buffer = GuardedBuffer(values)
        var args = snq_normalize_args(
          input: buffer.start, inputStride: channels, channels: UInt32(channels), epsilon: 1e-12,
          output: buffer.start, outputStride: channels)
        kernel.function(&args, 0, 1)
        let length = laneReduction(values, { $0.addingProduct($1, $1) }, +).squareRoot()
        let divisor = length > 1e-12 ? length : 1e-12
        #expect(
          buffer.elements.map(\.comparableBits) == values.map { ($0 / divisor).comparableBits },
          "\(channels) \(content)")
        #expect(buffer.isIntact)
      }
    }
  }
}
