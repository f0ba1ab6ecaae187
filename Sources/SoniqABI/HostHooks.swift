import CSoniq
import SoniqCore
import SoniqGraph
import SoniqMemory
import SoniqKernels
import SoniqRuntime

// What a host brings along: checked, copied, and handed to the layers below in their own types.

/// The host's log function, or nothing.
struct Log: @unchecked Sendable {
  let function: soniq_log_function?
  let context: UnsafeMutableRawPointer?
  let host: HostFloatState

  /// Hands a message to the host; it is built only when somebody listens.
  func write(_ level: Int, _ message: @autoclosure () -> String) {
    guard let function else { return }
    var message = PlainText.message(message())
    message.withUTF8 { bytes in
      let length = bytes.count
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { copy in
        for index in 0..<length { copy[index] = CChar(bitPattern: bytes[index]) }
        copy[length] = 0
        host.call { function(context, UInt32(level), UnsafePointer(copy.baseAddress), length) }
      }
    }
  }
}

/// The host's progress function, or nothing.
struct Progress {
  let function: soniq_progress_function?
  let context: UnsafeMutableRawPointer?
  let host: HostFloatState

  /// - Returns: false when the host wants to stop.
  func report(_ completed: Int, of total: Int) -> Bool {
    guard let function else { return true }
    return host.call { function(context, UInt64(completed), UInt64(total)) } == 0
  }
}

extension AllocatorHooks {
  /// - Returns: nil for NULL.
  static func read(_ pointer: UnsafePointer<soniq_allocator>?) throws(Failure) -> AllocatorHooks? {
    guard
      let allocator = try VersionedStruct.read(
        pointer, defaults: soniq_allocator(), "allocator", carriesVersion: false)
    else { return nil }
    guard allocator.reserved == 0 else { throw .argument("allocator.reserved", "is not 0") }
    guard let allocate = allocator.allocate else { throw .null("allocator.allocate") }
    guard let release = allocator.release else { throw .null("allocator.release") }
    return AllocatorHooks(context: allocator.context, allocate: allocate, free: release)
  }
}

extension ParallelForHook {
  /// - Returns: nil for NULL.
  static func read(_ pointer: UnsafePointer<soniq_thread_pool>?) throws(Failure) -> ParallelForHook? {
    guard
      let pool = try VersionedStruct.read(
        pointer, defaults: soniq_thread_pool(), "thread_pool", carriesVersion: false)
    else { return nil }
    guard pool.reserved == 0 else { throw .argument("thread_pool.reserved", "is not 0") }
    guard let width = pool.width else { throw .null("thread_pool.width") }
    guard let parallelFor = pool.parallel_for else { throw .null("thread_pool.parallel_for") }
    return ParallelForHook(context: pool.context, width: width, parallelFor: parallelFor)
  }
}

/// The runtime's name of a SONIQ_ISA_*; nil for SONIQ_ISA_DEFAULT.
func instructionSetName(_ isa: UInt32) throws(Failure) -> String? {
  switch Int(isa) {
  case SONIQ_ISA_DEFAULT: return nil
  case SONIQ_ISA_PORTABLE: return "portable"
  case SONIQ_ISA_AVX2: return "avx2"
  case SONIQ_ISA_AVX512: return "avx512"
  case SONIQ_ISA_NEON: return "neon"
  case SONIQ_ISA_DOTPROD: return "dotprod"
  case SONIQ_ISA_I8MM: return "i8mm"
  default: throw .argument("maximum_isa", "is \(isa), which is no SONIQ_ISA_* constant")
  }
}

/// The SONIQ_ISA_* of a name of the runtime; SONIQ_ISA_DEFAULT for others.
func instructionSetConstant(_ name: String) -> UInt32 {
  switch name {
  case "portable": UInt32(SONIQ_ISA_PORTABLE)
  case "avx2": UInt32(SONIQ_ISA_AVX2)
  case "avx512": UInt32(SONIQ_ISA_AVX512)
  case "neon": UInt32(SONIQ_ISA_NEON)
  case "dotprod": UInt32(SONIQ_ISA_DOTPROD)
  case "i8mm": UInt32(SONIQ_ISA_I8MM)
  default: UInt32(SONIQ_ISA_DEFAULT)
  }
}

extension KernelProfile {
  /// The profile in a host's text; nil for NULL.
  static func read(_ text: UnsafePointer<CChar>?) throws(Failure) -> KernelProfile? {
    guard let text else { return nil }
    let limit = 1 << 20
    var length = 0
    while length <= limit, text[length] != 0 { length += 1 }
    try reserve(64 * length)
    do throws(KernelProfileError) {
      return try KernelProfile(parsing: UnsafeRawBufferPointer(start: text, count: length))
    } catch {
      throw Failure(
        .data, "kernel_profile, byte \(error.offset): \(error.reason)", field: "kernel_profile",
        offset: error.offset)
    }
  }
}

extension SessionOptions {
  /// - Throws: for constants, counts and pointers that are wrong in themselves; what depends on the model
  ///   is found by the runtime.
  init(_ options: soniq_session_options) throws(Failure) {
    self.init()
    guard options.flags & ~UInt32(SONIQ_SESSION_PROFILE) == 0 else {
      throw .argument("flags", "has bits that are no SONIQ_SESSION_* constant")
    }
    isProfiling = options.flags & UInt32(SONIQ_SESSION_PROFILE) != 0
    maximumInstructionSet = try instructionSetName(options.maximum_isa)
    parallelFor = try ParallelForHook.read(options.thread_pool)
    guard parallelFor == nil || options.thread_count == 0 else {
      throw .argument("thread_count", "is not 0 although there is a thread_pool")
    }
    guard let threadCount = Int(exactly: options.thread_count) else {
      throw .argument("thread_count", "is too large")
    }
    self.threadCount = threadCount
    allocator = try AllocatorHooks.read(options.allocator)
    kernelProfile = try KernelProfile.read(options.kernel_profile)
    if let workspace = options.workspace {
      guard options.workspace_size > 0 else { throw .argument("workspace_size", "is 0") }
      self.workspace = UnsafeMutableRawBufferPointer(start: workspace, count: options.workspace_size)
    } else if options.workspace_size != 0 {
      throw .argument("workspace_size", "is not 0 although workspace is NULL")
    }
    maximums = try Self.maximums(options)
  }

  /// Compares the limits with the symbols of a model.
  ///
  /// - Throws: not found for a symbol that the model has not, shape above the model's maximum.
  func checkLimits(_ symbols: [Symbol]) throws(Failure) {
    for limit in maximums {
      guard let symbol = symbols.first(where: { $0.name == limit.name }) else {
        throw Failure(
          .notFound, "the model has no symbol \"\(limit.name)\"", node: limit.name, field: "size_limits")
      }
      guard limit.maximum <= symbol.maximum else {
        throw Failure(
          .shape, "the limit of \(limit.name) is \(limit.maximum), the model allows \(symbol.maximum)",
          node: limit.name, field: "size_limits")
      }
    }
  }

  private static func maximums(_ options: soniq_session_options) throws(Failure) -> [SymbolMaximum] {
    guard options.size_limit_count > 0 else { return [] }
    guard options.size_limit_count <= 64 else { throw .argument("size_limit_count", "is above 64") }
    guard let limits = options.size_limits else { throw .null("size_limits") }
    guard UInt(bitPattern: limits) % 8 == 0 else { throw .argument("size_limits", "is not aligned") }
    var maximums: [SymbolMaximum] = []
    for index in 0..<Int(options.size_limit_count) {
      let name = try TextIn.read(limits[index].name, "size_limits[\(index)].name")
      guard limits[index].maximum > 0, let maximum = Int(exactly: limits[index].maximum) else {
        throw .argument("size_limits[\(index)].maximum", "is out of range")
      }
      guard !maximums.contains(where: { $0.name == name }) else {
        throw .argument("size_limits[\(index)].name", "repeats \"\(name)\"")
      }
      maximums.append(SymbolMaximum(name: name, maximum: maximum))
    }
    return maximums
  }
}
