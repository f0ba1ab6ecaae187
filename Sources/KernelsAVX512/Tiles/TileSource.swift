import CKernelABI
import CSIMD

/// Where the weights and activations of a tile begin.
struct TileSource {
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let panelStride: Int
  let codeStride: Int
  /// Padded channels of one segment.
  let channels: Int
  let segments: Int
  let segmentStride: Int

  @inline(__always)
  init?(_ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int) {
    guard let weights = level.pointee.weights, let codes = level.pointee.codes else { return nil }
    panelStride = Int(level.pointee.panelStride)
    codeStride = Int(level.pointee.codeStride)
    segments = max(1, Int(level.pointee.segments))
    segmentStride = Int(level.pointee.segmentStride)
    channels = Int(segments == 1 ? level.pointee.paddedChannels : level.pointee.segmentChannels)
    self.weights = weights + panel &* panelStride
    self.codes = codes + row &* codeStride
  }
}
