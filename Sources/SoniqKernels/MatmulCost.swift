import SoniqCore

/// What a kernel costs, for choosing between kernels.
package struct MatmulCost: Sendable {
  package init() {}

  /// Time for one multiply-accumulate of this shape, in arbitrary but common units.
  package func perMultiplyAccumulate(_ kernel: MatmulKernel, _ shape: MatmulShape) -> Double {
    if kernel.instructionSet == .avx2 { return 20 * avx2(kernel, shape) }
    let planes = Double(shape.weightBits)
    let isOne = shape.rows == .one || shape.rows == .two
    let base =
      switch kernel.instructionSet {
      case .portable: 1000.0
      default: 1.0
      }
    switch kernel.form {
    case .bitPlanes: return base * 1.5 * planes * Double(shape.activationBits)
    case .tables: return base * (isOne ? 3.75 : 2.5) * planes
    case .halfTables: return base * (isOne ? 6.5 : 5) * planes
    case .codes:
      if kernel.scratchPerChannel > 0 { return base * (isOne ? 30 : 8.2) }
      return base * (kernel.layouts == [.planes] ? 9 : 8)
    }
  }

  /// Nanoseconds for 1000 multiply-accumulates on a Zen 4 core at 3.7 GHz, 384 channels and 1536 outputs.
  private func avx2(_ kernel: MatmulKernel, _ shape: MatmulShape) -> Double {
    let planes = Double(shape.weightBits)
    let isFew = shape.rows == .one || shape.rows == .two
    switch kernel.form {
    case .bitPlanes: return 1.2 + 3.3 * planes * Double(shape.activationBits)
    case .tables: return shape.rows == .one ? 1.5 + 4.1 * planes : 0.9 + 2.5 * planes
    case .halfTables: return shape.rows == .one ? 1.6 + 6.2 * planes : 1 + 5 * planes
    case .codes:
      if kernel.needs == .avxVNNI { return kernel.layouts == [.planes] && isFew ? 30 : 6 }
      if kernel.layouts == [.bytes] { return shape.activationBits <= 4 ? 8 : 14 }
      if kernel.layouts == [.nibbles] { return isFew ? 10 : 7.5 }
      // More than 3 planes are unpacked into scratch memory also for one row.
      if shape.weightBits > 3 { return isFew ? 60 : shape.rows == .many ? 10 : 25 }
      return shape.rows == .one ? 9 + 3.4 * planes : isFew ? 7 + 2 * planes : 6.5 + planes
    }
  }
}
