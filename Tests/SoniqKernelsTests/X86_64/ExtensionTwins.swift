import CKernelABI
import KernelsAVXVNNITwin
import SoniqKernels
import SoniqTestSupport

/// The kernels of AVX-VNNI, from the same source with the AVX-512 form of its instruction: those that can run here.
enum ExtensionTwins {
  static let all: [KernelTwin<MatmulKernel>] = {
    // AVX-512 VNNI on 256 bits; every CPU that runs the AVX-512 kernels has it.
    guard InstructionSet.avx512.isUnderTest else { return [] }
    let functions: [(String, MatmulFunction)] = [
      ("snq_matmul_bytes_vnni_6x1__avx2", evexBytes), ("snq_matmul_nibbles_vnni_6x1__avx2", evexNibbles),
      ("snq_matmul_planes_vnni_6x1__avx2", evexPlanes),
    ]
    return functions.compactMap { name, function in
      MatmulKernelRegistry.rows.first { $0.name == name }.map { original in
        var kernel = original
        kernel.row = KernelRow("\(name), AVX-512 twin", [.v3, .v4, .avx512VNNI], function)
        return KernelTwin(original: original, kernel: kernel)
      }
    }
  }()

  /// The same for weights with scales per group.
  static let groups: [KernelTwin<GroupMatmulKernel>] = {
    guard InstructionSet.avx512.isUnderTest else { return [] }
    return GroupMatmulRegistry.rows.filter { $0.name.contains("_vnni_") }.map { original in
      var kernel = original
      kernel.row = KernelRow("\(original.name), AVX-512 twin", [.v3, .v4, .avx512VNNI], evexGroups)
      return KernelTwin(original: original, kernel: kernel)
    }
  }()

  static var report: String {
    all.isEmpty ? "nothing in their place" : "\(all.count) twins of the same source"
  }
}
