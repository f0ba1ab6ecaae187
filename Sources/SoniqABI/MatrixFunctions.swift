public import CSoniq
import SoniqCore
import SoniqGraph

/// `soniq_matrix_pack` of soniq.h.
@_cdecl("soniq_matrix_pack") @implementation
public func soniq_matrix_pack(
  _ matrix: UnsafeMutablePointer<OpaquePointer?>?, _ weights: UnsafePointer<Float>?, _ outputs: Int,
  _ inputs: Int, _ options: UnsafePointer<soniq_matrix_options>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let matrix = try clear(matrix, "matrix")
    guard let weights else { throw .null("weights") }
    guard UInt(bitPattern: weights) % 4 == 0 else { throw .argument("weights", "is not aligned") }
    try MatrixPacking.checkSizes(outputs: outputs, inputs: inputs, levels: [])
    try reserve(Reserve.matrix(outputs: outputs, inputs: inputs))
    let read = try VersionedStruct.read(options, defaults: soniq_matrix_options(), "options")
    let options = try MatrixOptions(read ?? soniq_matrix_options(), outputs: outputs, inputs: inputs)
    try MatrixPacking.checkSizes(outputs: outputs, inputs: inputs, levels: options.levels)
    let packing = try MatrixPacking(weights: weights, outputs: outputs, inputs: inputs, options: options)
    matrix.pointee = try MatrixHandle(packing, options: options).retained()
  }
}

/// `soniq_matrix_destroy` of soniq.h.
@_cdecl("soniq_matrix_destroy") @implementation
public func soniq_matrix_destroy(_ matrix: OpaquePointer?) { MatrixHandle.release(matrix) }

/// `soniq_matrix_scales` of soniq.h.
@_cdecl("soniq_matrix_scales") @implementation
public func soniq_matrix_scales(
  _ matrix: OpaquePointer?, _ level: UInt32, _ scales: UnsafeMutablePointer<UnsafePointer<Float>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let scales = try clear(scales, "scales", to: nil)
    let handle = try MatrixHandle.borrow(matrix)
    scales.pointee = try handle.level(level).scales?.bound(to: Float.self).baseAddress
  }
}

/// `soniq_matrix_unpack` of soniq.h.
@_cdecl("soniq_matrix_unpack") @implementation
public func soniq_matrix_unpack(
  _ matrix: OpaquePointer?, _ weights: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try MatrixHandle.borrow(matrix)
    guard let weights else { throw .null("weights") }
    guard UInt(bitPattern: weights) % 4 == 0 else { throw .argument("weights", "is not aligned") }
    let matrix = handle.matrix
    guard count >= matrix.outputs * matrix.inputs else {
      throw .argument("count", "is \(count), \(matrix.outputs * matrix.inputs) are needed")
    }
    for (level, channels) in zip(matrix.levels, handle.options.channels) {
      unpack(level, channels, matrix, into: weights)
    }
  }
}

/// Writes the real weights of one level to their columns of [outputs][inputs].
private func unpack(
  _ level: MatrixLevel, _ channels: [Int], _ matrix: PackedMatrix, into weights: UnsafeMutablePointer<Float>
) {
  let code = level.level.weight
  guard let packing = WeightPacking(code: code, outputs: matrix.outputs, channels: level.channels) else {
    return
  }
  let bytes = level.weights.raw
  guard bytes.count >= packing.byteCount, let scales = level.scales?.bound(to: Float.self) else { return }
  let offsets = level.offsets?.bound(to: Float.self)
  for output in 0..<matrix.outputs {
    for (position, channel) in channels.enumerated() {
      let integer = code.integer(Int(packing.code(output: output, channel: position, in: bytes)))
      weights[output * matrix.inputs + channel] = scales[output] * Float(integer) + (offsets?[output] ?? 0)
    }
  }
}

/// `soniq_matrix_get_info` of soniq.h.
@_cdecl("soniq_matrix_get_info") @implementation
public func soniq_matrix_get_info(
  _ matrix: OpaquePointer?, _ info: UnsafeMutablePointer<soniq_matrix_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try MatrixHandle.borrow(matrix)
    var values = soniq_matrix_info()
    values.level_count = UInt32(clamping: handle.matrix.levels.count)
    values.outputs = UInt64(clamping: handle.matrix.outputs)
    values.inputs = UInt64(clamping: handle.matrix.inputs)
    values.byte_count = UInt64(clamping: handle.byteCounts.all)
    values.weight_bytes = UInt64(clamping: handle.byteCounts.weights)
    values.isa = handle.kernelReport.isa
    try VersionedStruct.write(values, to: info, "info")
  }
}

/// `soniq_matrix_get_kernel` of soniq.h.
@_cdecl("soniq_matrix_get_kernel") @implementation
public func soniq_matrix_get_kernel(
  _ matrix: OpaquePointer?, _ report: UnsafeMutablePointer<soniq_kernel_report>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    try VersionedStruct.write(try MatrixHandle.borrow(matrix).kernelReport, to: report, "report")
  }
}
