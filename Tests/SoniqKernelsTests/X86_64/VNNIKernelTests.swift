import SoniqKernels
import SoniqTestSupport
import Testing

@Suite struct VNNIKernelTests {
  /// Kernels of AVX-VNNI belong to .avx2 and run in all its tests, natively or as twins. Where they cannot run
  /// natively the report must say so: this test is then listed as skipped.
  @Test(
    .enabled(
      if: Capabilities.underTest.contains(.avxVNNI),
      "no avxvnni under test: the snq_matmul_*_vnni_*__avx2 kernels did NOT run, only \(ExtensionTwins.report)"
    ))
  func kernelsOfAVXVNNIRan() throws {
    let needing = MatmulKernelRegistry.rows.filter { $0.requires.contains(.avxVNNI) }.map(\.name)
    let ran = try Set(MatmulKernelTests.kernels(of: .avx2).map(\.name))
    #expect(!needing.isEmpty && ran.isSuperset(of: needing))
  }
}
