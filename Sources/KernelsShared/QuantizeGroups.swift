import CKernelABI

@inline(never) func quantizeGroupRows(
  _ pointer: UnsafePointer<snq_quantize_groups_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let firstInput = pointer.pointee.input else { return }
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    var input = firstInput + row &* pointer.pointee.inputStride
    if let gather = pointer.pointee.gather, let scratch = pointer.pointee.scratch {
      gatherRow(input, gather, Int(pointer.pointee.channels), scratch)
      input = UnsafePointer(scratch)
    }
    for index in 0..<min(SNQ_GROUP_LEVELS, Int(pointer.pointee.levelCount)) {
      quantizeGroupRun(pointer, index, row, input)
    }
    row &+= 1
  }
}

/// One level of one row. Not private: the compiler would give it a weak symbol.
@inline(never) func quantizeGroupRun(
  _ pointer: UnsafePointer<snq_quantize_groups_args>, _ index: Int, _ row: Int, _ input: UnsafePointer<Float>
) {
  let levels = pointer.pointee.levels
  let level = index == 0 ? levels.0 : index == 1 ? levels.1 : index == 2 ? levels.2 : levels.3
  guard let firstCodes = level.codes, let firstSums = level.groupSums, let firstScales = level.rowScales
  else { return }
  let channels = Int(level.channels)
  let source = input + Int(level.begin)
  let codes = UnsafeMutableRawPointer(firstCodes + row &* level.codeStride)
    .assumingMemoryBound(to: UInt8.self)
  let sums = firstSums + row &* level.groupSumStride
  let scales = firstScales + row &* level.rowScaleStride
  let groupLength = level.groupLength == 0 ? channels : Int(level.groupLength)
  let rowGroupLength = level.rowGroupLength == 0 ? channels : Int(level.rowGroupLength)
  let top = Float((Int32(1) &<< Int32(truncatingIfNeeded: level.bits &- 1)) &- 1)
  var begin = 0
  while begin < channels {
    let end = min(channels, begin &+ rowGroupLength)
    let step =
      level.isStatic != 0
      ? level.scale : guardedScale(greatestMagnitude(source + begin, end &- begin) / top)
    scales[begin / rowGroupLength] = step
    let inverse = FloatLanes(repeating: 1 / step)
    let (low, high) = (FloatLanes(repeating: -top), FloatLanes(repeating: top))
    var group = begin
    while group < end {
      let count = min(groupLength, end &- group)
      sums[group / groupLength] = encode(source + group, count, codes + group) { x in
        minimum(maximum(x * inverse, low), high).nearestInteger()
      }
      group &+= groupLength
    }
    begin &+= rowGroupLength
  }
  var position = channels
  while position < Int(level.paddedChannels) {
    codes[position] = 0
    position &+= 1
  }
}
