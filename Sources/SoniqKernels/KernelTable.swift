import SoniqCore

/// The kernels that may be used and what they cost. Safe to share between threads.
package struct KernelTable: Sendable {
  /// What the CPU has and no cap forbids.
  package let available: Capabilities
  package let floatMatmul: KernelRow<FloatMatmulFunction>
  private let profile: KernelProfile
  private let allowsCopies: Bool

  /// - Parameters:
  ///   - available: no more than the CPU has that will call the kernels.
  ///   - profile: what the kernels cost on this machine.
  ///   - allowsCopies: kernels may get a copy of the weights in another layout.
  package init(
    available: Capabilities, profile: KernelProfile = .committed, allowsCopies: Bool = true
  ) {
    self.allowsCopies = allowsCopies
    self.available = available
    self.profile = profile
    floatMatmul = MatmulKernelRegistry.floats.chosen(on: available)
  }

  /// The class of machines that the kernels may be used as on.
  package var instructionSet: InstructionSet { .newest(in: available) }

  /// The kernel for one level of a valid matrix and some number of rows. Where no kernel for planes
  /// gains over 8 bits, one that wants a copy of the weights as nibbles or bytes, unless that is slower still; and
  /// where these are a tenth faster than planes, of more than 4 bits or of a convolution: its windows are small, and a tile
  /// of planes may be half empty.
  package func matmul(_ shape: MatmulShape) -> MatmulChoice {
    var choice = MatmulKernelRegistry.choice(shape, on: available, profile: profile)
    guard shape.layout == .planes, choice.gainsLittle || shape.weightBits > 4 || shape.taps > 1 else {
      return choice
    }
    var wide = shape
    let copyBits = shape.weightBits <= 4 ? 4 : 8
    wide.weightBits = max(4, shape.weightBits)
    wide.layout = WeightLayout(bits: copyBits)
    var copied = MatmulKernelRegistry.choice(wide, on: available, profile: profile)
    guard let cost = copied.cost, let planesCost = choice.cost,
      choice.gainsLittle ? Int(cost) * 25 < Int(planesCost) * 26 : Int(cost) * 10 < Int(planesCost) * 9
    else { return choice }
    guard allowsCopies else {
      choice.refusals.append(
        "\(copied.kernel.name): needs a copy of \(copyBits) bits a weight, and copies are turned off")
      return choice
    }
    copied.copyBits = copyBits
    let reason = choice.gainsLittle ? "gain nothing over 8 bits here" : "are slower"
    copied.refusals = [
      "\(choice.kernel.name) and all others for planes \(reason): works on a copy of \(copyBits) bits a weight"
    ]
    return copied
  }

  /// The kernel for a level whose codes are those of a codebook: one that wants a copy of the entries as bytes, or the
  /// reference, which takes them as they are, where that may not be or nothing faster runs.
  package func codebook(_ shape: MatmulShape) -> MatmulChoice {
    var bytes = shape
    (bytes.weightBits, bytes.layout) = (8, .bytes)
    var copied = MatmulKernelRegistry.choice(bytes, on: available, profile: profile)
    let reference = MatmulKernelRegistry.reference
    let isFaster = copied.kernel.name != reference.name
    guard allowsCopies, isFaster else {
      let refusal = "\(copied.kernel.name): needs a copy of 8 bits a weight, and copies are turned off"
      return MatmulChoice(
        kernel: reference, cost: nil, eightBitCost: nil, refusals: isFaster ? [refusal] : copied.refusals)
    }
    copied.copyBits = 8
    copied.refusals = ["no fast kernel takes codebooks: works on a copy of 8 bits a weight"]
    return copied
  }
}
