import SoniqCore

/// What a kernel costs, for choosing between kernels.
package struct MatmulCost: Sendable {
  package init() {}

  /// Time for one multiply-accumulate of this shape, in arbitrary but common units.
  package func perMultiplyAccumulate(_ kernel: MatmulKernel, _ shape: MatmulShape) -> Double {
    let planes = Double(shape.weightBits)
    let isOne = shape.rows == .one || shape.rows == .two
    let base =
      switch kernel.instructionSet {
      case .portable: 1000.0
      case .avx2: kernel.needs == .avxVNNI ? 10.0 : 20.0
      case .avx512: 1.0
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
}
