import SoniqCore
import SoniqGraph

/// Weights of GPTQ and AWQ: codes in words of 32 bits, [inputs, outputs], with a scale and a zero for each output and group
/// of inputs. A weight is scale * (code - zero).
struct ColumnCodes: StoredCodes {
  let layout: GroupedLayout
  let count: Int
  let length: Int
  private let packing: ColumnPacking
  private let tensors: Tensors

  /// Of one layer.
  struct Tensors {
    var codes: (file: TensorFile, tensor: StoredTensor)
    var zeros: (file: TensorFile, tensor: StoredTensor)
    var scales: (file: TensorFile, tensor: StoredTensor)
    /// The group of each input, where the file says.
    var places: [Int64]?
  }

  /// - Throws: `data` for shapes that do not fit each other, or groups that are no neighbours.
  init(_ tensors: Tensors, _ packing: ColumnPacking) throws(PackError) {
    (self.tensors, self.packing) = (tensors, packing)
    func fault(_ stored: (file: TensorFile, tensor: StoredTensor), _ message: String) -> PackError {
      PackError(.data, file: stored.file.path, place: "tensor \(stored.tensor.name)", message)
    }
    for stored in [tensors.codes, tensors.zeros] {
      guard stored.tensor.element == .int32, stored.tensor.shape.count == 2,
        stored.tensor.shape.allSatisfy({ (1...maximumDimension / 32).contains($0) })
      else {
        throw fault(
          stored,
          "\(stored.tensor.element.rawValue) of shape \(stored.tensor.shape), expected a matrix of I32")
      }
    }
    let (codes, scales) = (tensors.codes.tensor.shape, tensors.scales.tensor.shape)
    length = packing.isAlongOutputs ? codes[0] : codes[0] * packing.perWord
    count = packing.isAlongOutputs ? codes[1] * packing.perWord : codes[1]
    let groupLength = packing.groupLength ?? length
    let groups = (length + groupLength - 1) / groupLength
    guard tensors.scales.tensor.element == .float16, scales == [groups, count] else {
      throw fault(
        tensors.scales,
        "\(tensors.scales.tensor.element.rawValue) of shape \(scales), expected F16 of [\(groups), \(count)]")
    }
    let zeros = [groups, (count + packing.perWord - 1) / packing.perWord]
    guard tensors.zeros.tensor.shape == zeros else {
      throw fault(tensors.zeros, "shape \(tensors.zeros.tensor.shape), expected \(zeros)")
    }
    if let places = tensors.places {
      let isSorted =
        places.count == length && places.indices.allSatisfy { Int(places[$0]) == $0 / groupLength }
      guard isSorted else {
        throw fault(
          tensors.codes,
          "inputs are grouped by their activations (desc_act), which is not known; "
            + "known: neighbours (desc_act false, or static_groups)")
      }
    }
    let code = WeightCode(
      kind: .affine, bits: packing.bits, zero: 0, layout: packing.bits > 4 ? .unsignedBytes : nil)
    // The longest that a level can have divides the others that are known.
    layout = GroupedLayout(
      code: code, groupLength: min(groupLength, 128), numbers: .float32, hasOffsets: true)
  }

  func fault(_ message: String) -> PackError {
    PackError(
      .data, file: tensors.codes.file.path, place: "tensor \(tensors.codes.tensor.name)", message)
  }

  private func word(_ stored: (file: TensorFile, tensor: StoredTensor), _ row: Int, _ column: Int) -> UInt32 {
    let place = stored.tensor.range.lowerBound + (row * stored.tensor.shape[1] + column) * 4
    return stored.file.file.bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
  }

  /// * row: an output.
  func decode(
    _ row: Int, _ codes: UnsafeMutablePointer<UInt8>, _ numbers: GroupNumbers
  ) throws(PackError) {
    let (perWord, bits, mask) = (packing.perWord, packing.bits, UInt32(1) << UInt32(packing.bits) - 1)
    let (column, shift) = (row / perWord, UInt32(packing.place(row % perWord) * bits))
    if packing.isAlongOutputs {
      for channel in 0..<length {
        codes[channel] = UInt8(word(tensors.codes, channel, column) >> shift & mask)
      }
    } else {
      for begin in stride(from: 0, to: length, by: perWord) {
        let word = word(tensors.codes, begin / perWord, row)
        for index in 0..<perWord { codes[begin + index] = UInt8(word >> UInt32(index * bits) & mask) }
      }
    }
    let groupLength = packing.groupLength ?? length
    for group in 0..<(length + layout.groupLength - 1) / layout.groupLength {
      let stated = group * layout.groupLength / groupLength
      let place = tensors.scales.tensor.range.lowerBound + (stated * count + row) * 2
      let scale = Binary16.value(
        tensors.scales.file.file.bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self))
      let zero = Int(word(tensors.zeros, stated, column) >> shift & mask) + packing.zeroBias
      numbers.scales[group] = scale
      // Exact: 11 bits times 9.
      numbers.offsets[group] = -scale * Float(zero)
    }
  }
}

/// How codes lie in words.
struct ColumnPacking: Sendable, Hashable {
  /// 2, 4 or 8.
  var bits: Int
  /// nil: all inputs are one group.
  var groupLength: Int?
  /// Codes of a word belong to neighbouring outputs, else to neighbouring inputs.
  var isAlongOutputs: Bool
  /// What zeros are less than they mean.
  var zeroBias: Int
  /// The place of each of eight outputs in a word is not its own.
  var isInterleaved: Bool

  var perWord: Int { 32 / bits }

  func place(_ output: Int) -> Int {
    isInterleaved ? output / 2 + output % 2 * (perWord / 2) : output
  }
}
