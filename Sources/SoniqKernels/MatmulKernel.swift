package import CKernelABI
package import SoniqCore

package typealias MatmulFunction =
  @convention(c) (
    UnsafePointer<snq_matmul_args>?, UInt32, UInt32, UInt32, UInt32
  ) -> Void

package typealias FloatMatmulFunction =
  @convention(c) (
    UnsafePointer<snq_float_matmul_args>?, UInt32, UInt32, UInt32, UInt32
  ) -> Void

/// What a kernel is asked to multiply: one level of a matrix by some rows.
package struct MatmulShape: Sendable, Hashable {
  /// 1...8; 4 in nibbles, whatever the codes have, and from 5 on in bytes.
  package var weightBits: Int
  package var layout: WeightLayout
  /// 1...8.
  package var activationBits: Int
  /// Channels of the level, of all taps.
  package var channels: Int
  /// Taps of a convolution's window: each is padded to tiles of its own.
  package var taps = 1
  package var outputs: Int
  package var rows: RowClass
  /// The matrix has another level: a kernel that fuses levels saves a call.
  package var hasCompanion = false

  /// * layout: that of so many bits when nil.
  package init(
    weightBits: Int, layout: WeightLayout? = nil, activationBits: Int, channels: Int, taps: Int = 1,
    outputs: Int, rows: RowClass, hasCompanion: Bool = false
  ) {
    self.taps = taps
    self.hasCompanion = hasCompanion
    self.weightBits = weightBits
    self.layout = layout ?? WeightLayout(bits: weightBits)
    self.activationBits = activationBits
    self.channels = channels
    self.outputs = outputs
    self.rows = rows
  }
}

extension MatmulShape {
  /// What a second call costs beside its products, in the unit of costs (picoseconds for 1000 multiply-accumulates):
  /// about 150 ns, which small layers feel.
  var callCost: UInt32 {
    let products = max(1, rows.representative * channels * outputs)
    return UInt32(clamping: 150_000_000 / products)
  }
}

/// A matrix kernel and what it accepts. Kernels are exact for any number of rows, channels and outputs.
package struct MatmulKernel: Sendable {
  package var row: KernelRow<MatmulFunction>
  package let layouts: [WeightLayout]
  package let weightBits: ClosedRange<Int>
  /// The form that `snq_matmul_args.codes` must have.
  package var form = ActivationForm.codes
  /// Bytes of `snq_matmul_args.scratch` for each padded channel of the level, and for any level.
  package var scratchPerChannel = 0
  package var fixedScratch = 0

  package var name: String { row.name }
  package var requires: Capabilities { row.requires }
  package var instructionSet: InstructionSet { row.instructionSet }
  package var traits: KernelTraits { row.traits }

  /// Bytes of `snq_matmul_args.scratch`, a multiple of 64; 0: it is not used.
  package func scratchBytes(paddedChannels: Int) -> Int {
    fixedScratch + (scratchPerChannel * paddedChannels + 63) / 64 * 64
  }

  /// * layout: that of so many bits when nil.
  package func accepts(weightBits bits: Int, layout: WeightLayout? = nil, activationBits: Int) -> Bool {
    let layout = layout ?? WeightLayout(bits: bits)
    // Bytes hold what has fewer bits too.
    return layouts.contains(layout) && (layout == .bytes || weightBits.contains(bits))
      && form.activationBits.contains(activationBits)
  }

  package func accepts(_ shape: MatmulShape) -> Bool {
    accepts(weightBits: shape.weightBits, layout: shape.layout, activationBits: shape.activationBits)
  }

  /// The function that does a first level as this kernel and a second one as `next` in one call, nil when there is
  /// none: of two kernels of one instruction set that fuse, the one that requires more knows what the other does.
  package func fusing(_ next: MatmulKernel) -> MatmulFunction? {
    guard traits.contains(.fusesLevels), next.traits.contains(.fusesLevels),
      instructionSet == next.instructionSet
    else { return nil }
    if requires.isSuperset(of: next.requires) { return row.function }
    return next.requires.isSuperset(of: requires) ? next.row.function : nil
  }
}

/// The kernel that one level got for some number of rows, and why not others.
package struct MatmulChoice: Sendable {
  package let kernel: MatmulKernel
  /// Picoseconds for 1000 multiply-accumulates, and those of the cheapest 8-bit kernel; nil when not known.
  package let cost: UInt32?
  package let eightBitCost: UInt32?
  /// Why kernels that could be thought faster were not taken, in plain words.
  package var refusals: [String]
  /// 4 or 8 when the kernel wants a copy in the layout of so many bits; nil: it takes the weights as they are.
  package var copyBits: Int?

  /// Not a twentieth faster than 8 bits: a size off the grid may turn it round.
  package var gainsLittle: Bool {
    guard let cost, let eightBitCost else { return false }
    return Int(cost) * 20 > Int(eightBitCost) * 19
  }

  /// 8 bits would be faster by more than measuring can err: a fiftieth.
  package var isSlowerThanEightBits: Bool {
    guard let cost, let eightBitCost else { return false }
    return Int(cost) * 50 > Int(eightBitCost) * 51
  }
}
