/// What one step has cost since the session was made or `resetProfile` was called.
package struct ProfileEntry: Sendable, Hashable {
  /// The node's name; the names of fused nodes are joined by " + ".
  package let name: String
  package let operation: String
  /// The kernel's symbol.
  package let kernel: String
  /// "8x8", "4x8+8x8", ... weight bits x activation bits of each level; empty when it has none.
  package let level: String
  /// Time at work, summed over threads, by the monotonic clock.
  package let nanoseconds: UInt64
  /// Rows (of the last dimension) worked on.
  package let rows: UInt64
  /// Multiply-accumulates done.
  package let multiplyAccumulates: UInt64
}

/// Which kernel a node got, and why not a faster one.
package struct KernelReportEntry: Sendable, Hashable {
  package let node: String
  package let operation: String
  package let level: String
  package let kernel: String
  package let instructionSet: String
  /// One line for every kernel that was refused: "name: reason".
  package let refusals: [String]
  /// Bytes of the copy of its weights that the kernel reads; all sessions of the model share it. 0: the file's own.
  package let copiedWeightBytes: Int
}
