import SoniqKernels
import SoniqTestSupport
import Testing

/// What the tests of all row kernels share.
enum RowKernels {
  /// Around the 16 lanes, and the widths of real layers.
  static let channelCounts = [1, 7, 15, 16, 17, 31, 32, 33, 64, 100, 384, 1536]

  /// The kernel of one instruction set; cancels the test, saying so, when this CPU cannot run it.
  static func kernel<Function>(
    _ family: KernelFamily<Function>, of instructionSet: InstructionSet
  ) throws -> KernelRow<Function> {
    try instructionSet.require()
    return try #require(family.rows.first { $0.instructionSet == instructionSet })
  }

  /// Cancels the test, saying so, when this CPU cannot run the kernel.
  static func requireRuns<Function>(_ kernel: KernelRow<Function>) throws {
    try kernel.instructionSet.require()
    guard Capabilities.underTest.runs(kernel) else {
      kernel.instructionSet.reportSkipped("\(Test.current?.name ?? "") with \(kernel.name)")
      try Test.cancel("this CPU does not run \(kernel.name)")
    }
  }

  /// The kernels that must equal the portable one.
  static let faster = InstructionSet.allCases.filter { $0 != .portable }

  /// Numbers at the edges of binary32 and of the functions.
  static let extremes: [Float] = [
    0, -0.0, 1, -1, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude, 1e-30, -1e-30,
    0.5, -0.5, 1.5, 2.5, -2.5, 5.25, -5.25, 0.625, 88.37, -88.37, -87.33, 100, -100, 1e9, -1e9, 3e38, -3e38,
  ]
  static let notFinite: [Float] = [.nan, -.nan, .infinity, -.infinity, .signalingNaN]

  /// What the inputs of a case look like.
  enum Content: CaseIterable {
    case ordinary, tiny, huge, extremes, notFinite, onlyNaN, zeros

    func values(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
      (0..<count).map { index in
        let ordinary = Float.random(in: -3...3, using: &generator)
        switch self {
        case .ordinary: return ordinary
        case .tiny: return ordinary * 1e-39
        case .huge: return ordinary * 1e38
        case .extremes: return RowKernels.extremes.randomElement(using: &generator) ?? 0
        case .notFinite:
          return index % 3 == 0 ? RowKernels.notFinite.randomElement(using: &generator) ?? 0 : ordinary
        case .onlyNaN: return .nan
        case .zeros: return 0
        }
      }
    }
  }
}

extension InstructionSet {
  /// Cancels the test, saying so, when its kernels cannot run here.
  func require() throws {
    guard !isUnderTest else { return }
    reportSkipped(Test.current?.name ?? "")
    try Test.cancel("\(name) is not under test")
  }
}

extension Float {
  /// The bits, with one pattern for all NaN: which payload comes out is not part of the contract.
  var comparableBits: UInt32 { isNaN ? 0x7fc0_0000 : bitPattern }
}

/// The 16-lane rule, lane by lane.
func laneReduction(_ values: [Float], _ step: (Float, Float) -> Float, _ combine: (Float, Float) -> Float)
  -> Float
{
  var lanes = [Float](repeating: 0, count: 16)
  for (index, value) in values.enumerated() { lanes[index % 16] = step(lanes[index % 16], value) }
  for width in [8, 4, 2, 1] {
    for lane in 0..<width { lanes[lane] = combine(lanes[lane], lanes[lane + width]) }
  }
  return lanes[0]
}
