public import CSoniq
import SoniqCore
import SoniqGraph
import SoniqMemory
import SoniqRuntime

/// The rows of a multiplication: how far apart they lie, in elements.
private struct RowLayout {
  let stride: Int

  /// - Throws: for a stride below the row, or rows that cannot be addressed.
  init(stride: Int, width: Int, rows: Int, elementBytes: Int, _ parameter: String) throws(Failure) {
    self.stride = stride == 0 ? width : stride
    guard self.stride >= width else {
      throw .argument(parameter, "is \(stride), below the \(width) elements of a row")
    }
    guard checkedProduct(self.stride, rows, elementBytes) != nil else {
      throw .argument("rows", "and \(parameter) cannot be addressed")
    }
  }
}

private func checkAligned(_ pointer: UnsafeRawPointer, _ alignment: UInt, _ parameter: String) throws(Failure)
{
  guard UInt(bitPattern: pointer) % alignment == 0 else { throw .argument(parameter, "is not aligned") }
}

/// `soniq_matrix_multiply` of soniq.h.
@_cdecl("soniq_matrix_multiply") @implementation
public func soniq_matrix_multiply(
  _ matrix: OpaquePointer?, _ input: UnsafePointer<Float>?, _ inputStride: Int, _ rows: Int,
  _ output: UnsafeMutablePointer<Float>?, _ outputStride: Int, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { (host: HostFloatState) throws(Failure) in
    let handle = try MatrixHandle.borrow(matrix)
    guard let input else { throw .null("input") }
    guard let output else { throw .null("output") }
    guard rows > 0 else { throw .argument("rows", "is 0 or too large") }
    try checkAligned(input, 4, "input")
    try checkAligned(output, 4, "output")
    let inputs = try RowLayout(
      stride: inputStride, width: handle.matrix.inputs, rows: rows, elementBytes: 4, "input_stride")
    let outputs = try RowLayout(
      stride: outputStride, width: handle.matrix.outputs, rows: rows, elementBytes: 4, "output_stride")
    try handle.withMultiplier { (multiplier) throws(Failure) in
      var row = 0
      while row < rows {
        let count = min(rows - row, handle.options.blockRows)
        do throws(RuntimeError) {
          try multiplier.multiply(
            input: input + row * inputs.stride, inputStride: inputs.stride, rows: count,
            output: output + row * outputs.stride, outputStride: outputs.stride, host)
        } catch { throw Failure(error) }
        row += count
      }
    }
  }
}

/// `soniq_matrix_multiply_codes` of soniq.h.
@_cdecl("soniq_matrix_multiply_codes") @implementation
public func soniq_matrix_multiply_codes(
  _ matrix: OpaquePointer?, _ codes: UnsafePointer<UInt8>?, _ zeros: UnsafePointer<Int32>?, _ rows: Int,
  _ output: UnsafeMutablePointer<Int32>?, _ outputStride: Int, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { (host: HostFloatState) throws(Failure) in
    let handle = try MatrixHandle.borrow(matrix)
    guard let codes else { throw .null("codes") }
    guard let output else { throw .null("output") }
    guard rows > 0 else { throw .argument("rows", "is 0 or too large") }
    try checkAligned(output, 4, "output")
    if let zeros { try checkAligned(zeros, 4, "zeros") }
    guard handle.sumsAreExact else {
      throw Failure(.unsupported, "the sum of both levels could leave 32 bits", field: "matrix")
    }
    let inputs = try RowLayout(
      stride: 0, width: handle.matrix.inputs, rows: rows, elementBytes: 1, "codes")
    let outputs = try RowLayout(
      stride: outputStride, width: handle.matrix.outputs, rows: rows, elementBytes: 4, "output_stride")
    try checkCodes(handle, codes, zeros, rows)
    let levelCount = handle.matrix.levels.count
    try handle.withMultiplier { (multiplier) throws(Failure) in
      var row = 0
      while row < rows {
        let count = min(rows - row, handle.options.blockRows)
        do throws(RuntimeError) {
          try multiplier.multiply(
            codes: codes + row * inputs.stride, zeros: zeros.map { $0 + row * levelCount }, rows: count,
            output: output + row * outputs.stride, outputStride: outputs.stride, host)
        } catch { throw Failure(error) }
        row += count
      }
    }
  }
}

/// Whether any code is above its channel's largest; without a branch, so that it is done in vectors.
private func holdsTooLarge(_ codes: UnsafePointer<UInt8>, _ handle: MatrixHandle) -> Bool {
  if let common = handle.commonLargestCode {
    guard common < 255 else { return false }
    var highest: UInt8 = 0
    for channel in 0..<handle.matrix.inputs { highest = max(highest, codes[channel]) }
    return highest > common
  }
  return handle.largestCodes.withUnsafeBufferPointer { largest in
    var excess: UInt8 = 0
    for channel in largest.indices { excess |= max(codes[channel], largest[channel]) ^ largest[channel] }
    return excess != 0
  }
}

/// Every code and zero must fit the bits of its level: that is what keeps the sums in int32.
private func checkCodes(
  _ handle: MatrixHandle, _ codes: UnsafePointer<UInt8>, _ zeros: UnsafePointer<Int32>?, _ rows: Int
) throws(Failure) {
  let inputs = handle.matrix.inputs
  for row in 0..<rows where holdsTooLarge(codes + row * inputs, handle) {
    for channel in 0..<inputs where codes[row * inputs + channel] > handle.largestCodes[channel] {
      throw Failure(
        .data, "codes[\(row)][\(channel)] is \(codes[row * inputs + channel]), too large for its level",
        field: "codes")
    }
  }
  guard let zeros else { return }
  let levels = handle.matrix.levels
  for row in 0..<rows {
    for (index, level) in levels.enumerated() where level.level.activation.kind == .affine {
      let zero = Int(zeros[row * levels.count + index])
      guard (0..<level.level.activation.codeCount).contains(zero) else {
        throw Failure(.data, "zeros[\(row)][\(index)] is \(zero), no code of its level", field: "zeros")
      }
    }
  }
}
