import CKernelABI

/// Rows that share one decoding of the weights.
private let blockRows = 8

/// 16 outputs of one panel.
private typealias Lanes = InlineArray<16, Float>

/// Rows x 16 outputs: the sums on the way from group to group.
private struct GroupSums {
  /// sum(t * q), or sum(w * q) of a codebook, of the group so far.
  var integers = InlineArray<128, Int32>(repeating: 0)
  /// z and y of group_matmul.h.
  var part = InlineArray<128, Float>(repeating: 0)
  var total = InlineArray<128, Float>(repeating: 0)
}

/// The definition of a matrix with scales per group: any layout, width and length of groups.
@c @implementation
func snq_group_matmul_any_8x1__portable(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  let level = args.pointee
  for panel in Int(panelBegin)..<Int(panelEnd) {
    var row = Int(rowBegin)
    while row < Int(rowEnd) {
      let rows = min(blockRows, Int(rowEnd) - row)
      multiply(level, panel, row, rows)
      row += rows
    }
  }
}

private func multiply(_ level: borrowing snq_group_matmul_args, _ panel: Int, _ row: Int, _ rows: Int) {
  guard let weights = level.weights else { return }
  let source = PanelSource(
    bytes: weights + panel * Int(level.panelStride), layout: Int(level.layout),
    planeStride: Int(level.planeStride), bits: Int(level.weightBits))
  let padded = Int(level.paddedChannels)
  let channels = Int(level.channels)
  let groupLength = level.groupLength == 0 ? channels : Int(level.groupLength)
  let groups = (channels + groupLength - 1) / groupLength
  var sums = GroupSums()
  start(level, panel, row, rows, &sums)
  var block = WeightBlock(repeating: 0)
  var decoded = -1
  for group in 0..<groups {
    // Padding channels belong to the last group.
    let end = group + 1 == groups ? padded : (group + 1) * groupLength
    for channel in group * groupLength..<end {
      let first = channel / blockChannels * blockChannels
      if first != decoded {
        source.decode(first, min(blockChannels, padded - first), &block)
        decoded = first
      }
      add(level, block, channel, row, rows, &sums)
    }
    finish(level, panel, group, row, rows, &sums)
  }
  store(level, panel, row, rows, sums)
}

/// The products of one channel.
@inline(__always)
private func add(
  _ level: borrowing snq_group_matmul_args, _ block: borrowing WeightBlock, _ channel: Int, _ row: Int,
  _ rows: Int, _ sums: inout GroupSums
) {
  guard let codes = level.codes else { return }
  let place = channel % blockChannels * 16
  for index in 0..<rows {
    let code = Int32(codes[(row + index) * Int(level.codeStride) + channel])
    for output in 0..<16 {
      var weight = Int32(block[unchecked: place &+ output])
      if let codebook = level.codebook { weight = Int32(codebook[Int(weight)]) }
      sums.integers[unchecked: index &* 16 &+ output] &+= weight &* code
    }
  }
}

/// The end of a group: z, and y where it ends a group of the row's scales.
private func finish(
  _ level: borrowing snq_group_matmul_args, _ panel: Int, _ group: Int, _ row: Int, _ rows: Int,
  _ sums: inout GroupSums
) {
  let channels = Int(level.channels)
  let groupLength = level.groupLength == 0 ? channels : Int(level.groupLength)
  let rowGroupLength = level.rowGroupLength == 0 ? channels : Int(level.rowGroupLength)
  let end = (group + 1) * groupLength
  let endsRowGroup = end % rowGroupLength == 0 || end >= channels
  let scaleGroup = group * groupLength / rowGroupLength
  let groups = (channels + groupLength - 1) / groupLength
  let place = (panel * groups + group) * 16
  let scales = lanes(level.groupScales, level.scaleType, level.outputScale, place, panel)
  let offsets = lanes(level.groupOffsets, level.scaleType, level.outputOffset, place, panel)
  for index in 0..<rows {
    let sum = level.groupSums[(row + index) * level.groupSumStride + group]
    let constant = level.codebook == nil ? level.weightConstant &* sum : 0
    let multiplier = level.codebook == nil ? level.weightMultiplier : 1
    let rowScale = level.rowScales[(row + index) * level.rowScaleStride + scaleGroup]
    for output in 0..<16 {
      let lane = index &* 16 &+ output
      let dot = multiplier &* sums.integers[unchecked: lane] &- constant
      var part = sums.part[unchecked: lane].addingProduct(Float(dot), scales[unchecked: output])
      if level.groupOffsets != nil { part = part.addingProduct(Float(sum), offsets[unchecked: output]) }
      sums.integers[unchecked: lane] = 0
      sums.part[unchecked: lane] = endsRowGroup ? 0 : part
      if endsRowGroup {
        sums.total[unchecked: lane] = sums.total[unchecked: lane].addingProduct(part, rowScale)
      }
    }
  }
}

/// 16 scales or offsets from number `place` on, as binary32; zeros when there are none.
private func lanes(
  _ source: UnsafeRawPointer?, _ type: UInt32, _ factors: UnsafePointer<Float>?, _ place: Int, _ panel: Int
) -> Lanes {
  var lanes = Lanes(repeating: 0)
  guard let source else { return lanes }
  for lane in 0..<16 {
    switch Int(type) {
    case SNQ_GROUP_FLOAT32: lanes[lane] = source.assumingMemoryBound(to: Float.self)[place + lane]
    case SNQ_GROUP_FLOAT16:
      lanes[lane] = floatFromHalf(source.assumingMemoryBound(to: UInt16.self)[place + lane])
    default:
      let byte = source.assumingMemoryBound(to: UInt8.self)[place + lane]
      lanes[lane] = (factors?[panel * 16 + lane] ?? 0) * Float(byte)
    }
  }
  return lanes
}

private func start(
  _ level: borrowing snq_group_matmul_args, _ panel: Int, _ row: Int, _ rows: Int, _ sums: inout GroupSums
) {
  let first = panel * 16
  for index in 0..<rows {
    for lane in 0..<min(16, Int(level.outputs) - first) {
      if Int(level.mode) == SNQ_ACCUMULATE {
        sums.total[unchecked: index &* 16 &+ lane] =
          level.output[(row + index) * level.outputStride + first + lane]
      } else if let bias = level.bias {
        sums.total[unchecked: index &* 16 &+ lane] = bias[first + lane]
      }
    }
  }
}

private func store(
  _ level: borrowing snq_group_matmul_args, _ panel: Int, _ row: Int, _ rows: Int, _ sums: borrowing GroupSums
) {
  let first = panel * 16
  for index in 0..<rows {
    for lane in 0..<min(16, Int(level.outputs) - first) {
      level.output[(row + index) * level.outputStride + first + lane] =
        sums.total[unchecked: index &* 16 &+ lane]
    }
  }
}
