import SoniqCore

/// How a folder's weights were quantised: `quantization_config` of config.json.
enum FolderQuantization: Sendable, Hashable {
  /// 8-bit floats, with a scale for each block of a matrix.
  case float8(rows: Int, columns: Int)
  /// 8-bit floats with a scale for all or for each output.
  case scaledFloat8
  /// Codes of GPTQ or AWQ.
  case columns(ColumnPacking)
  /// -1, 0 and 1; the stated number multiplies, or divides.
  case ternary(divides: Bool)
  /// Real numbers that become -1, 0 and 1 when they are used.
  case trainedTernary

  static let field = "quantization_config"

  /// Whether weights are codes that can stay.
  var hasCodes: Bool {
    switch self {
    case .float8, .scaledFloat8: false
    case .columns, .ternary, .trainedTernary: true
    }
  }

  /// nil where weights are real numbers.
  /// - Throws: `data` with what is not known.
  static func stated(_ folder: CheckpointFolder) throws(PackError) -> FolderQuantization? {
    guard let value = folder.config[field], value != .null else { return nil }
    let fields = QuantizationFields(folder: folder, value: value)
    switch value["quant_method"]?.text {
    case "fp8":
      let block = value["weight_block_size"] ?? .null
      if block == .null { return .scaledFloat8 }
      guard let sizes = block.array?.compactMap(\.integer), sizes.count == 2, block.array?.count == 2,
        sizes.allSatisfy({ (1...65536).contains($0) })
      else { throw fields.fault("weight_block_size", "must be two sizes") }
      return .float8(rows: sizes[0], columns: sizes[1])
    case "compressed-tensors":
      try fields.require("format", .text("float-quantized"))
      return .scaledFloat8
    case "gptq": return .columns(try gptq(fields))
    case "awq": return .columns(try awq(fields))
    case "bitnet": return try ternary(fields)
    default:
      throw fields.fault(
        "quant_method", "known: gptq, awq, bitnet, fp8, compressed-tensors; or pack the model's float weights"
      )
    }
  }

  private static func gptq(_ fields: QuantizationFields) throws(PackError) -> ColumnPacking {
    let bits = try fields.size("bits", among: [2, 4, 8])
    try fields.require("lm_head", .boolean(false), isOptional: true)
    let format = fields.value["checkpoint_format"]?.text ?? "gptq"
    guard ["gptq", "gptq_v2"].contains(format) else {
      throw fields.fault("checkpoint_format", "known: gptq, gptq_v2")
    }
    return ColumnPacking(
      bits: bits, groupLength: try fields.groupLength(), isAlongOutputs: false,
      zeroBias: format == "gptq" ? 1 : 0, isInterleaved: false)
  }

  private static func awq(_ fields: QuantizationFields) throws(PackError) -> ColumnPacking {
    let bits = try fields.size("bits", among: [4])
    try fields.require("version", .text("gemm"), isOptional: true)
    try fields.require("zero_point", .boolean(true), isOptional: true)
    return ColumnPacking(
      bits: bits, groupLength: try fields.groupLength(), isAlongOutputs: true, zeroBias: 0,
      isInterleaved: true)
  }

  private static func ternary(_ fields: QuantizationFields) throws(PackError) -> FolderQuantization {
    try fields.require("use_rms_norm", .boolean(false), isOptional: true)
    if fields.value["quantization_mode"]?.text == "online" {
      try fields.require("linear_class", .text("autobitlinear"))
      return .trainedTernary
    }
    try fields.require("quantization_mode", .text("offline"), isOptional: true)
    switch fields.value["linear_class"]?.text ?? "bitlinear" {
    case "bitlinear": return .ternary(divides: true)
    case "autobitlinear": return .ternary(divides: false)
    default: throw fields.fault("linear_class", "known: bitlinear, autobitlinear")
    }
  }
}

/// The fields of `quantization_config`.
private struct QuantizationFields {
  let folder: CheckpointFolder
  let value: JSONValue

  func fault(_ key: String, _ message: String) -> PackError {
    let stated = value[key].map { $0.written() + "; " } ?? "missing; "
    return folder.fieldError(FolderQuantization.field + "." + key, stated + message)
  }

  func require(_ key: String, _ known: JSONValue, isOptional: Bool = false) throws(PackError) {
    let stated = value[key] ?? .null
    guard stated == known || isOptional && stated == .null else {
      throw fault(key, "known: \(known.written())")
    }
  }

  func size(_ key: String, among known: [Int]) throws(PackError) -> Int {
    guard let size = value[key]?.integer, known.contains(size) else {
      throw fault(key, "known: \(known.map { "\($0)" }.joined(separator: ", "))")
    }
    return size
  }

  /// nil: all inputs.
  func groupLength() throws(PackError) -> Int? {
    guard let length = value["group_size"]?.integer else { throw fault("group_size", "must be a number") }
    if length == -1 { return nil }
    guard isGroupLength(length) || length > 128 && length % 128 == 0 && length <= 65536 else {
      throw fault("group_size", "known: 16, 32, 64, multiples of 128, and -1")
    }
    return length
  }
}
