import CPlatform

/// The floating-point state in which a thread of the host called the library: rounding, traps, denormals, the
/// flags of the exceptions it has had. The library computes in the default state and gives this one back.
package struct HostFloatState: BitwiseCopyable, Sendable {
  private let saved: snq_float_state

  /// The default state.
  package init() { saved = snq_float_state_default() }

  /// Remembers the thread's state and enters the default one.
  @inline(__always)
  package static func enter() -> HostFloatState { HostFloatState(saved: snq_float_state_enter()) }

  /// Gives the thread its state back.
  @inline(__always)
  package func leave() { snq_float_state_set(saved) }

  /// Calls a function of the host in the host's state; whatever it does to it, the default one follows.
  @inline(__always)
  package func call<Result>(_ function: () -> Result) -> Result {
    leave()
    defer { _ = snq_float_state_enter() }
    return function()
  }

  @inline(__always)
  private init(saved: snq_float_state) { self.saved = saved }
}
