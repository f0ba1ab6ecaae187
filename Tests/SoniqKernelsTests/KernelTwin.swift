/// A kernel built from the same source as another, with other instructions of the same meaning, which more machines have.
struct KernelTwin<Kernel: Sendable>: Sendable {
  let original: Kernel
  /// As the original, but with the twin's function and name.
  let kernel: Kernel
}
