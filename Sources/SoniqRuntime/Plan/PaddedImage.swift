import SoniqCore

/// How much memory the padded images of a slot take. Planes lie one after the other, each with all pixels.
struct PaddedImage: BitwiseCopyable, Hashable {
  let geometry: ImageGeometry
  /// Of one plane.
  let pixelBytes: Int
  let planes: Int
  /// Kernels may read whole vectors behind the last pixel.
  private let slack: Int

  private static let alignment = 64

  init(geometry: ImageGeometry, pixelBytes: Int, planes: Int = 1) {
    self.geometry = geometry
    self.pixelBytes = pixelBytes
    self.planes = planes
    slack = 64
  }

  /// An int32 for each pixel.
  init(sumsOf geometry: ImageGeometry) {
    self.geometry = geometry
    (pixelBytes, planes, slack) = (4, 1, 0)
  }

  /// Bytes between planes; nil where they cannot be counted.
  private func checkedPlaneStride(_ geometry: ImageGeometry) -> Int? {
    checkedProduct(geometry.pixels, pixelBytes).flatMap { roundedUp($0, to: Self.alignment) }
  }

  /// Bytes of one image with some sizes of the symbols; nil where they cannot be counted.
  func byteCount(_ size: (Int) -> Int) -> Int? {
    var geometry = geometry
    geometry.bind(size)
    return byteCount(geometry)
  }
  private func byteCount(_ geometry: ImageGeometry) -> Int? {
    guard let plane = checkedPlaneStride(geometry), let bytes = checkedProduct(plane, planes),
      bytes < Int.max - slack
    else { return nil }
    return bytes + slack
  }

  /// The same with the sizes of `geometry`; more than any workspace where they cannot be counted.
  var byteCount: Int { byteCount(geometry) ?? .max }
  var planeStride: Int { checkedPlaneStride(geometry) ?? .max }
}
