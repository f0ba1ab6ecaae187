#if arch(x86_64)
  import CPlatform

  /// The architecture that the library is compiled for.
  package typealias ThisArchitecture = X86_64

  /// x86-64 from version 2 on.
  package enum X86_64: Architecture {
    package static let compilersName = "x86_64"

    package static let capabilities = [
      Capability(element: .v3, name: "x86-64-v3") { snq_cpu_has_v3() },
      Capability(element: .avxVNNI, name: "avxvnni") { snq_cpu_has_avx_vnni() },
      Capability(element: .v4, name: "x86-64-v4") { snq_cpu_has_v4() },
      Capability(element: .avx512VNNI, name: "avx512vnni") { snq_cpu_has_avx512_vnni() },
      Capability(element: .avx512VBMI, name: "avx512vbmi") { snq_cpu_has_avx512_vbmi() },
    ]

    package static let instructionSets: [InstructionSet] = [.portable, .avx2, .avx512]

    package static let kernels: [KernelList] = [.avx2, .avxVNNI, .avx512, .avx512VBMI]
  }

  extension Capabilities {
    /// AVX2, FMA, BMI2 and all else of x86-64-v3.
    package static let v3 = Capabilities(rawValue: 1)
    /// `vpdpbusd` in the encoding of AVX2 (Alder Lake, Zen 5 and later).
    package static let avxVNNI = Capabilities(rawValue: 2)
    /// AVX-512 F, BW, CD, DQ and VL.
    package static let v4 = Capabilities(rawValue: 4)
    package static let avx512VNNI = Capabilities(rawValue: 8)
    /// VPOPCNTDQ, BITALG, VBMI, VBMI2 and GFNI, which came together (Ice Lake, Zen 4 and later).
    package static let avx512VBMI = Capabilities(rawValue: 16)
  }

  extension InstructionSet {
    /// x86-64-v3; with AVX-VNNI where the CPU has it.
    package static let avx2 = InstructionSet(name: "avx2", capabilities: .v3, ceiling: [.v3, .avxVNNI])
    /// x86-64-v4 with VNNI (Cascade Lake and later); with VBMI and what came with it where the CPU has them.
    package static let avx512 = InstructionSet(
      name: "avx512", capabilities: [.v3, .v4, .avx512VNNI],
      ceiling: [.v3, .avxVNNI, .v4, .avx512VNNI, .avx512VBMI])
  }
#endif
