import CKernelABI
import SoniqKernels

/// A matrix with one scale an output and the same with scales per group, with random weights, and rows to multiply:
/// what both kernels of a comparison read. Speed does not depend on the numbers.
final class GroupProblem {
  let rows: Int
  let channels: Int
  let outputs: Int
  let bits: Int
  private let weights: Memory
  private let codes: Memory
  private let storedSums: Memory
  private let rowParameters: Memory
  private let scales: Memory
  private let offsets: Memory
  private let sums: Memory
  private let rowScales: Memory
  private let output: Memory
  private let scratch: Memory

  var panels: Int { (outputs + 15) / 16 }

  init(rows: Int, channels: Int, outputs: Int, bits: Int) {
    (self.rows, self.channels, self.outputs, self.bits) = (rows, channels, outputs, bits)
    let panels = (outputs + 15) / 16
    let groups = channels / 16
    weights = Memory(panels * channels * 2 * bits, .random)
    codes = Memory(rows * (channels + 64), .small)
    storedSums = Memory(panels * 64, .zero)
    rowParameters = Memory(rows * MemoryLayout<snq_row_params>.stride, .ones)
    scales = Memory(panels * groups * 64, .ones)
    offsets = Memory(panels * groups * 64, .ones)
    sums = Memory(rows * groups * 4, .zero)
    rowScales = Memory(rows * groups * 4, .ones)
    output = Memory(rows * panels * 64, .zero)
    scratch = Memory(
      max(
        GroupMatmulRegistry.rows.map { $0.scratchBytes(groups: groups) }.max() ?? 0,
        MatmulKernelRegistry.rows.map { $0.scratchBytes(paddedChannels: channels) }.max() ?? 0), .zero)
  }

  var plain: snq_matmul_args {
    var args = snq_matmul_args()
    args.weights = weights.pointer()
    args.panelStride = channels * 2 * bits
    args.layout = UInt32(bits == 8 ? SNQ_BYTES : SNQ_NIBBLES)
    args.weightBits = UInt32(bits)
    args.activationBits = 8
    args.channels = UInt32(channels)
    args.paddedChannels = UInt32(channels)
    args.outputs = UInt32(outputs)
    args.weightMultiplier = 1
    args.weightConstant = bits == 8 ? 0 : 8
    args.activationMultiplier = 1
    args.weightScale = scales.pointer()
    args.storedSum = storedSums.pointer()
    args.codes = codes.pointer()
    args.codeStride = channels + 64
    args.rows = rowParameters.pointer()
    args.rowStride = 1
    args.output = output.mutablePointer()
    args.outputStride = panels * 16
    args.mode = UInt32(SNQ_START)
    args.scratch = scratch.mutablePointer()
    return args
  }

  func grouped(_ form: GroupComparison.Form) -> snq_group_matmul_args {
    var args = snq_group_matmul_args()
    args.weights = weights.pointer()
    args.panelStride = channels * 2 * bits
    args.layout = UInt32(bits == 8 ? SNQ_UNSIGNED_BYTES : SNQ_NIBBLES)
    args.weightBits = UInt32(bits)
    args.channels = UInt32(channels)
    args.paddedChannels = UInt32(channels)
    args.outputs = UInt32(outputs)
    args.groupLength = UInt32(form.groupLength)
    args.weightMultiplier = 1
    args.weightConstant = bits == 8 ? 128 : 8
    args.scaleType = form.scaleType
    args.groupScales = scales.pointer().map { UnsafeRawPointer($0 as UnsafePointer<UInt8>) }
    args.outputScale = scales.pointer()
    if form.hasOffsets {
      args.groupOffsets = offsets.pointer().map { UnsafeRawPointer($0 as UnsafePointer<UInt8>) }
      args.outputOffset = args.outputScale
    }
    args.codes = codes.pointer()
    args.codeStride = channels + 64
    args.groupSums = sums.pointer()
    args.groupSumStride = channels / 16
    args.rowScales = rowScales.pointer()
    args.rowScaleStride = channels / 16
    args.rowGroupLength = form.hasRowScale ? 0 : UInt32(max(form.rowGroupLength, form.groupLength))
    args.output = output.mutablePointer()
    args.outputStride = panels * 16
    args.mode = UInt32(SNQ_START)
    args.scratch = scratch.mutablePointer()
    return args
  }
}

/// 64-byte aligned memory, written once so that the system has given it.
final class Memory {
  enum Content { case zero, ones, small, random }

  private let start: UnsafeMutableRawPointer

  init(_ count: Int, _ content: Content) {
    let words = count / 4 + 32
    start = UnsafeMutableRawPointer.allocate(byteCount: words * 4, alignment: 64)
    var state: UInt32 = 1
    for index in 0..<words {
      state = state &* 1_664_525 &+ 1_013_904_223
      let word: UInt32 =
        switch content {
        case .zero: 0
        case .ones: Float(1).bitPattern
        case .small: state & 0x3f3f_3f3f
        case .random: state ^ state >> 15
        }
      start.storeBytes(of: word, toByteOffset: index * 4, as: UInt32.self)
    }
  }

  deinit { start.deallocate() }

  func mutablePointer<Element>() -> UnsafeMutablePointer<Element>? {
    start.assumingMemoryBound(to: Element.self)
  }

  func pointer<Element>() -> UnsafePointer<Element>? {
    UnsafePointer(start.assumingMemoryBound(to: Element.self))
  }
}
