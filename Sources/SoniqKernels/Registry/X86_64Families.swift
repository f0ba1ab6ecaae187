#if arch(x86_64)
  import CPlatform

  extension X86_64 {
    package static func identity() -> CPUIdentity {
      var vendor: (UInt32, UInt32, UInt32) = (0, 0, 0)
      let family = snq_cpu_identity(&vendor.0, &vendor.1, &vendor.2)
      let bytes = [vendor.0, vendor.1, vendor.2].flatMap { word in
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
      }
      return CPUIdentity(vendor: String(decoding: bytes, as: UTF8.self), family: Int(family))
    }

    /// The first that matches counts; the last ones go by what the CPU has, whoever made it.
    package static let families = [
      CPUFamily(
        name: "Zen 5", matches: { id, has in id.isAMD && id.family >= 26 && has.contains(.v4) }, costs: zen5),
      CPUFamily(name: "Zen 4", matches: { id, has in id.isAMD && has.contains(.v4) }, costs: zen4),
      CPUFamily(name: "Zen 2", matches: { id, _ in id.isAMD && id.family == 23 }, costs: zen2),
      CPUFamily(name: "Zen 3", matches: { id, _ in id.isAMD }, costs: zen3),
      CPUFamily(
        name: "Ice Lake and later, with AVX-512", matches: { _, has in has.contains(.avx512VBMI) },
        costs: iceLake),
      CPUFamily(
        name: "Skylake and Cascade Lake, with AVX-512", matches: { _, has in has.contains(.v4) },
        costs: cascadeLake),
      CPUFamily(
        name: "Alder Lake and later, without AVX-512", matches: { _, has in has.contains(.avxVNNI) },
        costs: alderLake),
      CPUFamily(name: "Haswell to Comet Lake", matches: { _, _ in true }, costs: haswell),
    ]

    private static let zen3 = CostTable(measured: zen3Costs)
    private static let zen4 = CostTable(measured: zen4Costs)

    // The factors are per cent for the same clock, from published tables of instructions: multiplications of bytes
    // (vpmaddubsw, vpdpbusd) and shuffles of bytes (vpshufb) a cycle, and vector instructions of any kind.

    /// As Zen 4 with twice the width everywhere.
    private static let zen5 = CostTable(
      derivedFrom: zen4, [.init("snq_matmul", perCent: 55), .init("prepare", perCent: 70)])
    /// One multiplication of bytes in a cycle, Zen 3 has two.
    private static let zen2 = CostTable(derivedFrom: zen3, Factors.bytesAVX2(140))
    /// Two multiplications of bytes in a cycle, one shuffle, three instructions; Zen 3 has two, two and four.
    private static let haswell = CostTable(
      derivedFrom: zen3,
      Factors.bytesAVX2(130) + Factors.shuffles("avx2", 160) + [.init("snq_matmul_bit_serial", perCent: 150)])
    /// Two shuffles again, and one instruction for four products.
    private static let alderLake = CostTable(
      derivedFrom: zen3,
      [
        .init("snq_matmul_bytes_vnni_6x1__avx2", perCent: 50, like: "snq_matmul_bytes_6x1__avx2"),
        .init("snq_matmul_nibbles_vnni_6x1__avx2", perCent: 85, like: "snq_matmul_nibbles_6x1__avx2"),
        .init("snq_matmul_planes_vnni_6x1__avx2", perCent: 85, like: "snq_matmul_planes_6x1__avx2"),
      ] + Factors.bytesAVX2(120))
    /// Two multiplications of 64 bytes in a cycle, where Zen 4 has one; one shuffle of 64 bytes, as there.
    private static let iceLake = CostTable(
      derivedFrom: zen4, Factors.bytesAVX512(65) + Factors.bytesAVX2(115))
    private static let cascadeLake = CostTable(
      derivedFrom: zen4,
      Factors.bytesAVX512(65) + Factors.bytesAVX2(125) + Factors.shuffles("avx2", 150)
        + [.init("snq_matmul_bit_serial_1x1__avx2", perCent: 150)])

    private enum Factors {
      static func bytesAVX2(_ perCent: Int) -> [CostTable.Factor] {
        ["bytes_6x1", "nibbles_6x1", "planes_6x1"].map { .init("snq_matmul_\($0)__avx2", perCent: perCent) }
      }

      static func bytesAVX512(_ perCent: Int) -> [CostTable.Factor] {
        ["bytes_6x4", "nibbles_6x4", "expanded_6x4"].map {
          .init("snq_matmul_\($0)__avx512", perCent: perCent)
        }
      }

      static func shuffles(_ set: String, _ perCent: Int) -> [CostTable.Factor] {
        ["tables_4x2", "half_tables_2x2"].map { .init("snq_matmul_\($0)__\(set)", perCent: perCent) }
      }
    }
  }

  extension CPUIdentity {
    fileprivate var isAMD: Bool { vendor == "AuthenticAMD" || vendor == "HygonGenuine" }
  }
#endif
