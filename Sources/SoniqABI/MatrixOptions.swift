import CSoniq
import SoniqCore
import SoniqKernels
import SoniqMemory
import SoniqRuntime

extension Level {
  /// A level from C, with its defaults put in.
  init(_ level: soniq_level, _ index: Int) throws(Failure) {
    guard level.reserved.0 == 0, level.reserved.1 == 0 else {
      throw .argument("levels[\(index)].reserved", "is not 0")
    }
    let weightKind = try Self.kind(level.weight_code, "levels[\(index)].weight_code")
    let weightBits = try Self.bits(level.weight_bits, weightKind, "levels[\(index)].weight_bits")
    let kind = try Self.kind(level.activation_code, "levels[\(index)].activation_code")
    let bits = try Self.bits(level.activation_bits, kind, "levels[\(index)].activation_bits")
    var scaling = ActivationCode.Scaling.dynamicPerRow
    if level.activation_scale != 0 {
      scaling = .fixed(scale: level.activation_scale, zero: Int(level.activation_zero))
    } else if level.activation_zero != 0 {
      throw .argument("levels[\(index)].activation_zero", "is set without an activation_scale")
    }
    self.init(
      weight: weightKind == .bipolar ? .bipolar(weightBits) : .symmetric(weightBits),
      activation: ActivationCode(kind: kind, bits: bits, scaling: scaling))
    guard activation.isValid else {
      throw .argument("levels[\(index)].activation_scale", "or activation_zero is out of range")
    }
  }

  private static func kind(_ code: UInt32, _ field: String) throws(Failure) -> CodeKind {
    switch Int(code) {
    case SONIQ_CODE_DEFAULT, SONIQ_CODE_AFFINE: return .affine
    case SONIQ_CODE_BIPOLAR: return .bipolar
    default: throw .argument(field, "is \(code), which is no SONIQ_CODE_* constant")
    }
  }

  private static func bits(_ bits: UInt32, _ kind: CodeKind, _ field: String) throws(Failure) -> Int {
    let value = bits == 0 ? 8 : Int(bits)
    guard kind.bitRange.contains(value) else {
      throw .argument(field, "is \(value), outside \(kind.bitRange.lowerBound)..\(kind.bitRange.upperBound)")
    }
    return value
  }
}

/// The options of a matrix, checked and in the library's own types.
struct MatrixOptions {
  /// One or two.
  var levels: [Level]
  /// Input channels of each level, in ascending order; together all channels.
  var channels: [[Int]]
  var bias: [Float]?
  /// Rows of one turn.
  var blockRows: Int
  var session: SessionOptions
  /// Kernels may get copies of the weights in another layout.
  let allowsCopies: Bool

  private static let maximumBlockRows: UInt32 = 65536
  private static let defaultBlockRows = 32

  init(_ options: soniq_matrix_options, outputs: Int, inputs: Int) throws(Failure) {
    guard options.level_count <= UInt32(SONIQ_MAXIMUM_LEVELS) else {
      throw .argument("level_count", "is \(options.level_count), at most \(SONIQ_MAXIMUM_LEVELS)")
    }
    levels = [try Level(options.levels.0, 0)]
    if options.level_count == 2 { levels.append(try Level(options.levels.1, 1)) }
    guard options.flags & ~UInt32(SONIQ_MATRIX_NO_COPIES) == 0 else {
      throw .argument("flags", "has bits that are no SONIQ_MATRIX_* constant")
    }
    guard options.reserved == 0 else { throw .argument("reserved", "is not 0") }
    allowsCopies = options.flags & UInt32(SONIQ_MATRIX_NO_COPIES) == 0
    guard options.block_rows <= Self.maximumBlockRows else {
      throw .argument("block_rows", "is above \(Self.maximumBlockRows)")
    }
    blockRows = options.block_rows == 0 ? Self.defaultBlockRows : Int(options.block_rows)
    channels = try Self.channels(options, levels.count, inputs)
    bias = try Self.bias(options.bias, outputs)
    session = SessionOptions()
    session.maximumInstructionSet = try instructionSetName(options.maximum_isa)
    session.allocator = try AllocatorHooks.read(options.allocator)
    session.parallelFor = try ParallelForHook.read(options.thread_pool)
    session.kernelProfile = try KernelProfile.read(options.kernel_profile)
    guard session.parallelFor == nil || options.thread_count == 0 else {
      throw .argument("thread_count", "is not 0 although there is a thread_pool")
    }
    session.threadCount = max(1, Int(options.thread_count))
  }

  private static func channels(
    _ options: soniq_matrix_options, _ levelCount: Int, _ inputs: Int
  ) throws(Failure) -> [[Int]] {
    guard levelCount == 2 else {
      guard options.channel_levels == nil else {
        throw .argument("channel_levels", "is set although there is one level")
      }
      return [Array(0..<inputs)]
    }
    guard let map = options.channel_levels else { throw .null("channel_levels") }
    var channels: [[Int]] = [[], []]
    for channel in 0..<inputs {
      guard map[channel] < 2 else {
        throw .argument("channel_levels[\(channel)]", "is \(map[channel]), neither 0 nor 1")
      }
      channels[Int(map[channel])].append(channel)
    }
    guard !channels[0].isEmpty, !channels[1].isEmpty else {
      throw .argument("channel_levels", "gives every channel the same level")
    }
    return channels
  }

  private static func bias(_ bias: UnsafePointer<Float>?, _ outputs: Int) throws(Failure) -> [Float]? {
    guard let bias else { return nil }
    guard UInt(bitPattern: bias) % 4 == 0 else { throw .argument("bias", "is not aligned") }
    let values = Array(UnsafeBufferPointer(start: bias, count: outputs))
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw Failure(.data, "bias[\(index)] is not a finite number", field: "bias")
    }
    return values
  }
}
