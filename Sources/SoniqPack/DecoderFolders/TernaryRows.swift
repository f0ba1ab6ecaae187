import SoniqCore
import SoniqGraph

/// Weights of -1, 0 and 1 with one scale for the matrix, as BitNet's folders have them: four rows in the bits of one, a
/// quarter of all rows apart; or trained ones that become such numbers.
struct TernaryRows: StoredCodes {
  private let source: Source
  private let scale: Float
  let count: Int
  let length: Int

  private enum Source {
    case packed(file: TensorFile, tensor: StoredTensor)
    case trained(CheckpointRows)
  }

  /// The scale is the same in all groups: they are as long as they may be.
  let layout = GroupedLayout(
    code: WeightCode(kind: .affine, bits: 2, zero: 1), groupLength: 128, numbers: .float32, hasOffsets: false)

  /// * scale: what codes are multiplied with.
  init(file: TensorFile, tensor: StoredTensor, scale: Float) throws(PackError) {
    guard tensor.shape.count == 2, tensor.shape.allSatisfy({ (1...maximumDimension / 4).contains($0) }) else {
      throw PackError(
        .data, file: file.path, place: "tensor \(tensor.name)", "shape \(tensor.shape), expected a matrix")
    }
    source = .packed(file: file, tensor: tensor)
    (count, length, self.scale) = (4 * tensor.shape[0], tensor.shape[1], scale)
  }

  /// Each number of the matrix by the mean of all magnitudes, rounded.
  init(_ trained: CheckpointRows) throws(PackError) {
    source = .trained(trained)
    (count, length) = (trained.count, trained.length)
    let scratch = AlignedBuffer(byteCount: length * MemoryLayout<Float>.stride)
    defer { withExtendedLifetime(scratch) {} }
    let row = scratch.bound(to: Float.self)
    var sum = 0.0
    for index in 0..<count {
      try trained.read(index, into: row)
      sum = row.reduce(sum) { $0 + Double($1.magnitude) }
    }
    scale = max(1e-5, Float(sum / (Double(count) * Double(length))))
  }

  func fault(_ message: String) -> PackError {
    switch source {
    case .packed(let file, let tensor):
      PackError(.data, file: file.path, place: "tensor \(tensor.name)", message)
    case .trained(let rows): rows.fault(message)
    }
  }

  func decode(
    _ row: Int, _ codes: UnsafeMutablePointer<UInt8>, _ numbers: GroupNumbers
  ) throws(PackError) {
    for group in 0..<(length + layout.groupLength - 1) / layout.groupLength { numbers.scales[group] = scale }
    switch source {
    case .packed(let file, let tensor):
      let (place, shift) = (row % (count / 4), UInt8(row / (count / 4) * 2))
      let start = tensor.range.lowerBound + place * length
      let bytes = UnsafeRawBufferPointer(rebasing: file.file.bytes[start..<start + length])
      for channel in 0..<length {
        let code = bytes[channel] >> shift & 3
        guard code < 3 else { throw fault("the code at [\(row), \(channel)] is 3; known: 0 to 2") }
        codes[channel] = code
      }
    case .trained(let rows):
      let scratch = AlignedBuffer(byteCount: length * MemoryLayout<Float>.stride)
      defer { withExtendedLifetime(scratch) {} }
      let floats = scratch.bound(to: Float.self)
      try rows.read(row, into: floats)
      for channel in 0..<length {
        codes[channel] = UInt8(1 + max(-1, min(1, (floats[channel] / scale).rounded(.toNearestOrEven))))
      }
    }
  }
}
