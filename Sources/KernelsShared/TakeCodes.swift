import CKernelABI

@inline(never) func takeCodesRows(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let codes = pointer.pointee.codes else { return }
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let source = codes + row &* pointer.pointee.codeStride
    if !takeSortedLevels(pointer, row, source) {
      for index in 0..<min(SNQ_LEVELS, Int(pointer.pointee.levelCount)) {
        takeRun(pointer, index, row, source)
      }
    }
    row &+= 1
  }
}

/// One level of one row. Not private: the compiler would give it a weak symbol.
@inline(never) func takeRun(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ index: Int, _ row: Int, _ source: UnsafePointer<UInt8>
) {
  let levels = pointer.pointee.levels
  let level = index == 0 ? levels.0 : index == 1 ? levels.1 : index == 2 ? levels.2 : levels.3
  guard let firstTarget = level.codes else { return }
  let target = firstTarget + row &* level.codeStride
  let channels = Int(level.channels)
  let sum: UInt32
  if let gather = pointer.pointee.gather {
    let order = gather + Int(level.begin)
    var gathered: UInt32 = 0
    for position in 0..<channels {
      let code = source[Int(order[position])]
      target[position] = code
      gathered &+= UInt32(code)
    }
    sum = gathered
  } else {
    sum = copyCodes(source + Int(level.begin), target, channels)
  }
  for position in channels..<max(channels, Int(level.paddedChannels)) { target[position] = 0 }
  storeParameters(pointer, level, index, row, sum)
}

/// What the quantiser would have said of the row.
@inline(__always) func storeParameters(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ level: snq_activation_level, _ index: Int, _ row: Int,
  _ sum: UInt32
) {
  guard let rows = level.rows else { return }
  var constant = (Int32(1) &<< Int32(truncatingIfNeeded: level.bits)) &- 1
  if level.kind == UInt32(SNQ_AFFINE) {
    constant = 0
    if let zeros = pointer.pointee.zeros {
      constant = zeros[row &* Int(pointer.pointee.levelCount) &+ index]
    }
  }
  rows[row &* level.rowStride] = snq_row_params(scale: 1, constant: constant, codeSum: Int32(bitPattern: sum))
}
