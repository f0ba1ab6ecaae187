import CKernelABI

/// What one row adds to the epilogue of its outputs, for one level.
struct MatmulRow {
  /// weightMultiplier * constant: the factor of storedSum.
  var sumFactor: Int32
  /// -weightConstant * U.
  var term: Int32
  var scale: Float
  /// float(U) * scale, the factor of weightOffset.
  var offsetFactor: Float

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ row: Int) {
    let parameters = level.pointee.rows + row &* Int(level.pointee.rowStride)
    let constant = parameters.pointee.constant
    let channels = Int32(truncatingIfNeeded: level.pointee.channels)
    let offsetSum =
      level.pointee.activationMultiplier &* parameters.pointee.codeSum &- channels &* constant
    sumFactor = level.pointee.weightMultiplier &* constant
    term = 0 &- level.pointee.weightConstant &* offsetSum
    scale = parameters.pointee.scale
    offsetFactor = Float(offsetSum) * parameters.pointee.scale
  }
}
