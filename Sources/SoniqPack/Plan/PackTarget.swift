package import SoniqQuantizers

/// The CPUs that a file is made for.
package enum PackTarget: String, Sendable, Hashable, CaseIterable {
  case any
  /// Those that have AVX2 and no VNNI: they multiply 8-bit weights of half the range up to 1.6 times as fast.
  case avx2

  package var weightRange: WeightRange { self == .avx2 ? .half : .whole }
}
