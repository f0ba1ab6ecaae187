/// Tells how far long work is: a phase, steps done, steps in all. Called on the packing thread.
package struct ProgressReport: Sendable {
  package let step: @Sendable (_ phase: String, _ done: Int, _ total: Int) -> Void

  package init(_ step: @escaping @Sendable (_ phase: String, _ done: Int, _ total: Int) -> Void) {
    self.step = step
  }

  /// Tells nobody.
  package static let silent = ProgressReport { _, _, _ in }
}
