import SoniqCore
import SoniqKernels

/// What is measured under a key of the profile.
struct CalibrationSubject {
  let key: KernelProfile.Key
  /// nil: preparing the activations alone, for kernels that want `form`.
  let kernel: MatmulKernel?
  let form: ActivationForm
  /// The instruction set whose preparation serves the kernel.
  let instructionSet: InstructionSet

  init(_ kernel: MatmulKernel, key: KernelProfile.Key) {
    (self.kernel, self.key, form) = (kernel, key, kernel.form)
    instructionSet = kernel.instructionSet
  }

  init(preparing form: ActivationForm, key: KernelProfile.Key, _ instructionSet: InstructionSet) {
    (kernel, self.key, self.form) = (nil, key, form)
    self.instructionSet = instructionSet
  }

  /// Bytes also of fewer bits than 8, for kernels that gain by those.
  var layout: WeightLayout {
    kernel?.layouts == [.bytes] ? .bytes : WeightLayout(bits: key.weightBits)
  }

  /// Of what a cost counts 1000 in one call: multiply-accumulates, or activations.
  func products(_ size: KernelProfile.Size, rows: Int) -> Int {
    rows * size.channels * (kernel == nil ? 1 : size.outputs)
  }

  /// Everything that may be measured with every pair of bits that its speed depends on.
  static func all(on available: Capabilities) -> [CalibrationSubject] {
    var subjects: [CalibrationSubject] = []
    for kernel in MatmulKernelRegistry.faster where available.runs(kernel.row) {
      for weightBits in kernel.weightBits {
        for activationBits in 1...8
        where kernel.accepts(
          weightBits: weightBits, layout: kernel.layouts == [.bytes] ? .bytes : nil,
          activationBits: activationBits)
        {
          let key = KernelProfile.Key(kernel, weightBits: weightBits, activationBits: activationBits)
          // Pairs of more planes than that lose to every other kernel.
          if kernel.form == .bitPlanes, weightBits * activationBits > 4 { continue }
          guard key.activationBits == activationBits else { continue }
          subjects.append(CalibrationSubject(kernel, key: key))
        }
      }
    }
    return subjects + preparations(of: subjects, on: available)
  }

  /// Sessions prepare by the newest instructions whatever the kernel is.
  private static func preparations(
    of subjects: [CalibrationSubject], on available: Capabilities
  ) -> [CalibrationSubject] {
    var keys: Set<KernelProfile.Key> = []
    return subjects.compactMap { subject in
      guard
        let key = KernelProfile.Key(preparing: subject.form, activationBits: subject.key.activationBits),
        keys.insert(key).inserted
      else { return nil }
      return CalibrationSubject(preparing: subject.form, key: key, .newest(in: available))
    }
  }
}
