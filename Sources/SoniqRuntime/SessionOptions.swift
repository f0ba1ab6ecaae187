package import SoniqKernels
package import SoniqMemory

/// The host's threads, used instead of the session's own.
///
/// `parallelFor(context, count, body, argument)` must call `body(argument, i)` once for every i in
/// 0..<count, on any threads, in any order, at the same time or one after another, and return 0 when all
/// have returned. `width(context)` is the number of bodies that can be at work at once. Both are called
/// only from the thread that makes or runs the session; `context` must outlive the session.
package struct ParallelForHook: @unchecked Sendable {
  package typealias Body = @convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void
  package typealias Width = @convention(c) (UnsafeMutableRawPointer?) -> UInt32
  package typealias ParallelFor =
    @convention(c) (UnsafeMutableRawPointer?, UInt32, Body?, UnsafeMutableRawPointer?) -> Int32

  package let context: UnsafeMutableRawPointer?
  package let width: Width
  package let parallelFor: ParallelFor

  package init(
    context: UnsafeMutableRawPointer?, width: @escaping Width, parallelFor: @escaping ParallelFor
  ) {
    self.context = context
    self.width = width
    self.parallelFor = parallelFor
  }
}

/// A session's own, smaller maximum for one of the model's dynamic sizes.
package struct SymbolMaximum: Sendable, Hashable {
  package var name: String
  /// 1 ... the model's maximum.
  package var maximum: Int
  package init(name: String, maximum: Int) {
    self.name = name
    self.maximum = maximum
  }
}

/// How a session works. The default value is right for most hosts.
package struct SessionOptions: Sendable {
  /// Symbols not named here keep the model's maximum.
  package var maximums: [SymbolMaximum] = []
  /// Threads at work in `run`, the caller's included; 1 is serial, 0 is as many as affinity and the
  /// cgroup's CPU quota allow. At most 256. Unused with `parallelFor`.
  package var threadCount = 0
  /// The name of an instruction set, such as "avx2": newer kernels are not used. nil or empty: no cap beyond SONIQ_MAX_ISA.
  package var maximumInstructionSet: String?
  /// What kernels cost on this machine; nil: what the library was built with.
  package var kernelProfile: KernelProfile?
  /// Measure each step. Costs two clock readings a step and row block.
  package var isProfiling = false
  /// Memory for the workspace; nil: a jemalloc arena of the session's own.
  package var allocator: AllocatorHooks?
  /// The host's threads; nil: the session's own.
  package var parallelFor: ParallelForHook?
  /// The host's memory for the workspace: 64-byte aligned, at least `Session.workspaceSize` bytes, valid
  /// and untouched while the session lives. nil: allocated.
  package nonisolated(unsafe) var workspace: UnsafeMutableRawBufferPointer?
  /// The session has states of its own; else each run gets those of a sequence.
  package var keepsStates = true
  /// Values other than the graph's outputs to keep readable after a run, by value index.
  package var keptValues: [Int] = []

  package init() {}
}
