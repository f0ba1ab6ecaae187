import SoniqKernels

/// No kernel of AArch64 has a twin: machines with all of its instructions are emulated.
enum ExtensionTwins {
  static let all: [KernelTwin<MatmulKernel>] = []
  static let groups: [KernelTwin<GroupMatmulKernel>] = []
}
