#if arch(arm64)
  import CPlatform

  /// The architecture that the library is compiled for.
  package typealias ThisArchitecture = AArch64

  /// ARMv8.0-A and later, in its 64-bit state.
  package enum AArch64: Architecture {
    package static let compilersName = "arm64"

    package static let capabilities = [
      Capability(element: .neon, name: "neon") { snq_cpu_has_neon() },
      Capability(element: .dotProduct, name: "dotprod") { snq_cpu_has_dot_product() },
      Capability(element: .i8mm, name: "i8mm") { snq_cpu_has_i8mm() },
    ]

    package static let instructionSets: [InstructionSet] = [.portable, .neon, .dotProduct, .i8mm]

    package static let kernels: [KernelList] = [.neon, .neonDot, .neonMixed]

    package static let families = [
      CPUFamily(
        name: "AArch64, by executed instructions", matches: { _, _ in true },
        costs: CostTable(measured: derivedCosts))
    ]

    package static func identity() -> CPUIdentity { CPUIdentity(vendor: "", family: 0) }
  }

  extension Capabilities {
    /// Advanced SIMD, which Linux asks of every AArch64 machine.
    package static let neon = Capabilities(rawValue: 1)
    /// `sdot` and `udot` (Cortex-A55 and A76, Neoverse N1, Apple M1 and later).
    package static let dotProduct = Capabilities(rawValue: 2)
    /// `usdot` and `usmmla` (Cortex-A510 and X2, Neoverse N2 and V1, Apple M2 and later).
    package static let i8mm = Capabilities(rawValue: 4)
  }

  extension InstructionSet {
    package static let neon = InstructionSet(name: "neon", capabilities: .neon, ceiling: .neon)
    package static let dotProduct = InstructionSet(
      name: "dotprod", capabilities: [.neon, .dotProduct], ceiling: [.neon, .dotProduct])
    package static let i8mm = InstructionSet(
      name: "i8mm", capabilities: [.neon, .dotProduct, .i8mm], ceiling: [.neon, .dotProduct, .i8mm])
  }
#endif
