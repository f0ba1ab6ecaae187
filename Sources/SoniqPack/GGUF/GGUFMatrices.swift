import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Tensors of a GGUF file as constants.
struct GGUFMatrices {
  let matrices: DecoderMatrices

  /// Rows of a tensor as the outputs of a layer.
  /// - Throws: `data` for a type that cannot be packed, or numbers that are not finite.
  func matrix(
    _ tensor: GGUFTensor, rows: Range<Int>, bias: [Float]?, isOfWords: Bool = false
  ) throws(PackError) -> Constant {
    let source = try GGUFRows(tensor)
    if let format = kept(tensor, isOfWords) {
      return .matrix(try packed(tensor, format, rows: rows, bias: bias))
    }
    return try matrices.matrix(source, rows: rows, bias: bias, isOfWords: isOfWords)
  }

  /// A tensor as the rows of a lookup: a matrix that may be that of a layer too, or float32.
  func table(_ tensor: GGUFTensor) throws(PackError) -> Constant {
    let source = try GGUFRows(tensor)
    if let format = kept(tensor, true) {
      return .matrix(try packed(tensor, format, rows: 0..<source.count, bias: nil))
    }
    return try matrices.table(source)
  }

  /// The format of codes that stay as they are.
  private func kept(_ tensor: GGUFTensor, _ isOfWords: Bool) -> BlockFormat? {
    matrices.treatment.keepsCodes(ofWords: isOfWords) ? BlockFormat(tensor.type) : nil
  }

  private func packed(
    _ tensor: GGUFTensor, _ format: BlockFormat, rows: Range<Int>, bias: [Float]?
  ) throws(PackError) -> PackedMatrix {
    let channels = tensor.shape[tensor.shape.count - 1]
    let (length, blockBytes) = (tensor.type.blockLength, tensor.type.blockBytes)
    let (groups, blockGroups) = (channels / format.layout.groupLength, length / format.layout.groupLength)
    guard let matrix = GroupedMatrix(format.layout, outputs: rows.count, channels: channels),
      let bytes = tensor.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    else { throw tensor.fault(DecoderMatrices.tooLarge) }
    return try matrix.packed(store: matrices.store, bias: bias) {
      (output, codes, numbers) throws(PackError) in
      let row = bytes + (rows.lowerBound + output) * tensor.rowBytes
      for block in 0..<channels / length {
        let group = block * blockGroups
        format.decode(
          row + block * blockBytes, codes + block * length,
          GroupNumbers(scales: numbers.scales + group, offsets: numbers.offsets + group))
      }
      for group in 0..<groups {
        guard numbers.scales[group].isFinite,
          !format.layout.hasOffsets || numbers.offsets[group].isFinite
        else {
          throw tensor.fault(
            "a scale of row \(rows.lowerBound + output), channel \(group * format.layout.groupLength), is not finite"
          )
        }
      }
    }
  }
}
