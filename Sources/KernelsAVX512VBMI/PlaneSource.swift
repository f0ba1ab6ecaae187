import CKernelABI

/// The planes of a level from one panel on.
struct PlaneSource {
  let start: UnsafePointer<UInt8>
  let panelStride: Int
  let planeStride: Int
  let bits: Int

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ start: UnsafePointer<UInt8>) {
    self.start = start
    panelStride = Int(level.pointee.panelStride)
    planeStride = Int(level.pointee.planeStride)
    bits = Int(level.pointee.weightBits)
  }
}
