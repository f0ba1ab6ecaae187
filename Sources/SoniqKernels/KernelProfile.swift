import SoniqCore

/// What matrix kernels cost on a machine, as `soniq-pack calibrate-cost` measures it: the basis of every choice
/// between kernels. Choices change speed, never results.
///
/// Costs are picoseconds for 1000 multiply-accumulates, preparing the activations included, on a grid of row
/// classes and sizes; what preparing 1000 activations alone costs stands beside them. A size between the grid's is taken
/// for its nearest by the logarithms of both sides.
package struct KernelProfile: Sendable, Hashable {
  /// The version of the JSON text.
  package static let version = 1

  /// A matrix of the grid.
  package struct Size: Sendable, Hashable {
    package var channels: Int
    package var outputs: Int

    package init(channels: Int, outputs: Int) {
      self.channels = channels
      self.outputs = outputs
    }
  }

  /// What is measured: a kernel with the bits that its speed depends on.
  package struct Key: Sendable, Hashable {
    package var kernel: String
    /// 1 for what prepares activations.
    package var weightBits: Int
    /// 8 for kernels that take codes or half tables, 4 for tables: they are equally fast for all bits they accept.
    package var activationBits: Int

    package init(kernel: String, weightBits: Int, activationBits: Int) {
      self.kernel = kernel
      self.weightBits = weightBits
      self.activationBits = activationBits
    }

    package init(_ kernel: MatmulKernel, weightBits: Int, activationBits: Int) {
      let bits =
        switch kernel.form {
        case .codes, .halfTables: 8
        case .tables: 4
        case .bitPlanes: activationBits
        }
      self.init(kernel: kernel.name, weightBits: weightBits, activationBits: bits)
    }

    /// What a kernel wants of the activations before it runs; nil where it takes codes as they are.
    package init?(preparing form: ActivationForm, activationBits: Int) {
      let bits: Int
      switch form {
      case .codes: return nil
      case .halfTables: bits = 8
      case .tables: bits = 4
      case .bitPlanes: bits = activationBits
      }
      self.init(kernel: "prepare \(form.rawValue)", weightBits: 1, activationBits: bits)
    }
  }

  /// That of the family of this CPU; used when the host gives none. Read from its text each time: nothing is kept.
  package static var committed: KernelProfile { CPUFamily.own.costs.profile }

  /// The machine that was measured, for people.
  package var machine: String
  /// At least one.
  package var sizes: [Size]
  /// [row class][size], row classes in order; 1 ... 10^9 each.
  package var costs: [Key: [UInt32]]

  package init(machine: String, sizes: [Size], costs: [Key: [UInt32]]) {
    self.machine = machine
    self.sizes = sizes
    self.costs = costs
  }

  /// The cost of a kernel for a shape, in which the channels that its layout pads count too; nil when it was not
  /// measured.
  package func cost(_ kernel: MatmulKernel, _ shape: MatmulShape) -> UInt32? {
    var key = Key(kernel, weightBits: shape.weightBits, activationBits: shape.activationBits)
    // Most kernels for bytes take any for 8 bits.
    if shape.layout == .bytes, costs[key] == nil { key.weightBits = 8 }
    guard let row = costs[key], !sizes.isEmpty else { return nil }
    let size = nearestSize(shape)
    var cost = Int(row[shape.rows.rawValue * sizes.count + size])
    if shape.taps > 1 { cost = max(1, cost - savedPreparation(kernel, shape, size)) }
    let tile = kernel.layouts.map(\.tileChannels).max() ?? 1
    let taps = max(1, min(shape.taps, 1 << 12))
    let channels = max(1, min(shape.channels / taps, 1 << 24))
    return UInt32(clamping: cost * ((channels + tile - 1) / tile * tile) / channels)
  }

  /// A convolution prepares the pixels of an image once, all of them in one go, and not the windows of each call, in which
  /// a pixel stands as often as there are taps. Kernels that do not walk over an image have its windows copied together,
  /// which costs about as much.
  private func savedPreparation(_ kernel: MatmulKernel, _ shape: MatmulShape, _ size: Int) -> Int {
    guard kernel.traits.contains(.segments),
      let key = Key(preparing: kernel.form, activationBits: shape.activationBits), let row = costs[key]
    else { return 0 }
    let (call, image) = (shape.rows.rawValue, RowClass.many.rawValue)
    let once = Int(row[image * sizes.count + size]) / shape.taps
    // What is prepared serves all outputs of the size that was measured.
    return (Int(row[call * sizes.count + size]) - once) / sizes[size].outputs
  }

  private func nearestSize(_ shape: MatmulShape) -> Int {
    let (channels, outputs) = (Self.logarithm(shape.channels), Self.logarithm(shape.outputs))
    var nearest = 0
    var shortest = Double.infinity
    for (index, size) in sizes.enumerated() {
      let distance =
        abs(Self.logarithm(size.channels) - channels) + abs(Self.logarithm(size.outputs) - outputs)
      if distance < shortest { (nearest, shortest) = (index, distance) }
    }
    return nearest
  }

  /// log2, straight between the powers of two.
  private static func logarithm(_ value: Int) -> Double {
    let number = Double(max(1, value))
    return Double(number.exponent) + number.significand - 1
  }
}
