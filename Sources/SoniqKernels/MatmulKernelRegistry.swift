/// Every matrix kernel. Dispatch, tests and benchmarks read these rows, which are listed in `Registry`.
package enum MatmulKernelRegistry {
  /// Accepts every layout, width and shape.
  package static let reference = PortableKernels.matmul

  /// Each after those it is faster than.
  package static let faster: [MatmulKernel] = ThisArchitecture.kernels.flatMap(\.matmul)

  package static var rows: [MatmulKernel] { [reference] + faster }

  package static let floats = KernelFamily(PortableKernels.floatMatmul) { $0.floatMatmul }
}
