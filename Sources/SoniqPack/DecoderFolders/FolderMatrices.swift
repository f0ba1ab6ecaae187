import SoniqCore
import SoniqGraph

/// The matrices of a folder's modules, however they are stored.
struct FolderMatrices {
  let tensors: CheckpointTensors
  /// nil: all are real numbers.
  let quantization: FolderQuantization?

  enum Stored {
    case numbers(any StoredRows)
    case codes(any StoredCodes)

    var rows: any StoredRows {
      switch self {
      case .numbers(let rows): rows
      case .codes(let codes): codes
      }
    }
  }

  private static let plain = ".weight"
  private static let codes = ".qweight"
  /// What beside a matrix is its own: nothing of these is missed.
  static let companions = [
    ".qzeros", ".scales", ".g_idx", ".weight_scale", ".weight_scale_inv", ".input_scale", ".activation_scale",
  ]

  /// The tensor that stands for a module's matrix.
  func name(_ module: String) -> String {
    if case .columns = quantization, tensors.has(module + Self.codes) { return module + Self.codes }
    return module + Self.plain
  }

  /// [outputs, inputs]; nil when there is no such matrix.
  func shape(_ module: String) -> [Int]? {
    guard let shape = tensors.shape(name(module)) else { return nil }
    guard shape.count == 2 else { return shape }
    switch quantization {
    case .columns(let packing) where name(module).hasSuffix(Self.codes):
      let (along, across) = packing.isAlongOutputs ? (shape[1], shape[0]) : (shape[0], shape[1])
      guard let many = checkedProduct(along, packing.perWord) else { return shape }
      return packing.isAlongOutputs ? [many, across] : [across, many]
    case .ternary where isPacked(module):
      return [checkedProduct(shape[0], 4) ?? shape[0], shape[1]]
    default: return shape
    }
  }

  private func isPacked(_ module: String) -> Bool {
    tensors.stored(module + Self.plain)?.tensor.element == .uint8
  }

  /// - Throws: `data` for what is missing, or does not fit.
  func stored(_ module: String) throws(PackError) -> Stored {
    let (file, tensor) = try part(name(module))
    switch quantization {
    case .columns(let packing) where tensor.name.hasSuffix(Self.codes):
      let places = module + ".g_idx"
      let parts = ColumnCodes.Tensors(
        codes: (file, tensor), zeros: try part(module + ".qzeros"), scales: try part(module + ".scales"),
        places: tensors.has(places) ? try part(places).file.integers(places).values : nil)
      return .codes(try ColumnCodes(parts, packing))
    case .ternary(let divides) where isPacked(module):
      let scale = try number(module + ".weight_scale")
      return .codes(try TernaryRows(file: file, tensor: tensor, scale: divides ? 1 / scale : scale))
    case .trainedTernary where module.hasPrefix("model.layers."):
      return .codes(try TernaryRows(try CheckpointRows(file, tensor)))
    case .float8(let rows, let columns) where tensor.element.isFloat8:
      return .numbers(
        try CheckpointRows(file, tensor, scales: scales(module + ".weight_scale_inv", tensor, rows, columns)))
    case .scaledFloat8 where tensor.element.isFloat8:
      return .numbers(try CheckpointRows(file, tensor, scales: scales(module, tensor)))
    default: return .numbers(try CheckpointRows(file, tensor))
    }
  }

  private func part(_ name: String) throws(PackError) -> (file: TensorFile, tensor: StoredTensor) {
    guard let stored = tensors.stored(name) else {
      throw PackError(.data, file: tensors.path(of: name), place: "tensor \(name)", "missing")
    }
    return stored
  }

  /// The one number of a tensor, above 0.
  private func number(_ name: String) throws(PackError) -> Float {
    let stored = try part(name)
    let number = try stored.file.floats(name, shape: stored.tensor.shape.isEmpty ? [] : [1])[0]
    guard number > 0, number.isNormal, (1 / number).isNormal else {
      throw PackError(.data, file: stored.file.path, place: "tensor \(name)", "must be a number above 0")
    }
    return number
  }

  /// A number for each block of a matrix.
  private func scales(
    _ name: String, _ tensor: StoredTensor, _ rows: Int, _ columns: Int
  ) throws(PackError) -> BlockScales {
    let shape = tensor.shape.count == 2 ? tensor.shape : [1, 1]
    let count = [(shape[0] - 1) / rows + 1, (shape[1] - 1) / columns + 1]
    return BlockScales(
      numbers: try part(name).file.floats(name, shape: count), rows: rows, columns: columns, across: count[1])
  }

  /// One number for all of a matrix, or one for each output.
  private func scales(_ module: String, _ tensor: StoredTensor) throws(PackError) -> BlockScales {
    let older = module + ".weight_scale_inv"
    let name = tensors.has(older) ? older : module + ".weight_scale"
    let (file, scale) = try part(name)
    let isForAll = scale.count == 1
    let rows = tensor.shape.first ?? 1
    guard isForAll || scale.shape == [rows] || scale.shape == [rows, 1] else {
      throw PackError(
        .data, file: file.path, place: "tensor \(name)",
        "shape \(scale.shape), expected one number, or one a row")
    }
    return BlockScales(
      numbers: try file.floats(name, shape: scale.shape), rows: isForAll ? Int.max : 1, columns: Int.max,
      across: 1)
  }
}

/// Numbers that blocks of a matrix are multiplied with.
struct BlockScales {
  var numbers: [Float]
  var rows: Int
  var columns: Int
  /// How many blocks lie side by side.
  var across: Int

  func number(_ row: Int, _ column: Int) -> Float { numbers[row / rows * across + column / columns] }
}
