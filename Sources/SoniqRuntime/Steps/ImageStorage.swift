import CKernelABI

/// How the activations of one level of a convolution lie in memory: the pixels of an image with its padding, every
/// pixel `pixelBytes` long, in the form that the kernel wants. Bit planes lie one after the other, each with all pixels.
struct ImageLevel: BitwiseCopyable {
  var storage: StorageID
  /// int32 [image][pixel]: the sum of a pixel's codes; negative when nobody asks.
  var sums: StorageID
  /// `ActivationForm.tag`.
  var form: UInt32
  var channels: Int
  var paddedChannels: Int
  var activationBits: Int
  var pixelBytes: Int
  var planeStride: Int
  /// The code of padding: what stands for 0, or 0 for bipolar codes, which have none.
  var paddingCode: UInt8
  /// The sum of a padding pixel's codes.
  var paddingSum: Int32

  /// Takes the sizes of a run.
  mutating func bind(_ geometry: ImageGeometry, _ frame: borrowing RunFrame) {
    let planes = form == UInt32(SNQ_BIT_PLANES) ? activationBits : 1
    let image = PaddedImage(geometry: geometry, pixelBytes: pixelBytes, planes: planes)
    planeStride = image.planeStride
    frame.storages[storage].rowBytes = image.byteCount
    if sums >= 0 { frame.storages[sums].rowBytes = PaddedImage(sumsOf: geometry).byteCount }
  }

  @inline(__always)
  func start(_ frame: borrowing RunFrame, image: Int) -> UnsafeMutablePointer<UInt8> {
    let storage = frame.storages[storage]
    return (storage.base + image &* storage.rowBytes).assumingMemoryBound(to: UInt8.self)
  }

  @inline(__always)
  func sumStart(_ frame: borrowing RunFrame, image: Int) -> UnsafeMutablePointer<Int32>? {
    guard sums >= 0 else { return nil }
    let storage = frame.storages[sums]
    return (storage.base + image &* storage.rowBytes).assumingMemoryBound(to: Int32.self)
  }
}

/// One group of a convolution's input channels on its way to codes.
struct ImagePart: BitwiseCopyable {
  /// Everything but pointers.
  var arguments: snq_quantize_args
  var firstChannel: Int
  var levels: (ImageLevel, ImageLevel)
  var prepares: (Bool, Bool)
  /// The pixels of a run are one long row: one level, nothing gathered, all channels.
  var isSeamless: Bool
  /// They are one for each level, of which its channels are picked.
  var isGathered: Bool
}
