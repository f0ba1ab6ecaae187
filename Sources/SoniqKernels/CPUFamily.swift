import SoniqCore

/// CPUs on which kernels cost alike, up to a factor.
package struct CPUFamily: Sendable {
  package let name: String
  /// Whether the CPU that is asked about is one of them.
  package let matches: @Sendable (CPUIdentity, Capabilities) -> Bool
  package let costs: CostTable

  /// The family of the CPU that runs this process.
  package static let own: CPUFamily = {
    let (identity, capabilities) = (ThisArchitecture.identity(), Capabilities.detected())
    let families = ThisArchitecture.families
    return families.first { $0.matches(identity, capabilities) } ?? families[families.count - 1]
  }()
}

/// What a CPU says it is. Zero and no vendor where the architecture has no such instruction.
package struct CPUIdentity: Sendable, Hashable {
  package var vendor: String
  package var family: Int

  package init(vendor: String, family: Int) {
    (self.vendor, self.family) = (vendor, family)
  }
}

/// Costs that were measured, or derived from those by what is known of how many instructions of a kind two CPUs do in a
/// cycle. Only ratios matter: they choose between kernels.
package struct CostTable: Sendable {
  /// A kernel, by the beginning of its name, and how many per cent of the costs of another it has; nil: of its own.
  package struct Factor: Sendable {
    let kernel: String
    let perCent: Int
    var like: String?

    package init(_ kernel: String, perCent: Int, like: String? = nil) {
      (self.kernel, self.perCent, self.like) = (kernel, perCent, like)
    }
  }

  private let text: @Sendable () -> String
  private let factors: [Factor]

  /// * text: a profile's JSON, read only when it is asked for.
  package init(measured text: @escaping @Sendable @autoclosure () -> String) {
    (self.text, factors) = (text, [])
  }

  package init(derivedFrom table: CostTable, _ factors: [Factor]) {
    (text, self.factors) = (table.text, factors)
  }

  package var isDerived: Bool { !factors.isEmpty }

  /// Empty where the text cannot be read, which a test forbids.
  package var profile: KernelProfile {
    var text = text()
    var profile = text.withUTF8 { bytes in
      (try? KernelProfile(parsing: UnsafeRawBufferPointer(bytes)))
        ?? KernelProfile(machine: "", sizes: [], costs: [:])
    }
    let measured = profile.costs
    for factor in factors {
      for (key, costs) in measured where key.kernel.hasPrefix(factor.like ?? factor.kernel) {
        var derived = key
        if factor.like != nil { derived.kernel = factor.kernel }
        profile.costs[derived] = costs.map { max(1, UInt32(UInt64($0) * UInt64(factor.perCent) / 100)) }
      }
    }
    return profile
  }
}
