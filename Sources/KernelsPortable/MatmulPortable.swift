import CKernelABI

/// Rows that share one decoding of the weights.
private let blockRows = 8

/// sum(t * q) of `blockRows` rows x 16 outputs.
private typealias DotProducts = InlineArray<128, Int32>

/// The reference: any layout, any width, any number of rows.
@c @implementation
func snq_matmul_any_8x1__portable(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  let level = args.pointee
  for panel in Int(panelBegin)..<Int(panelEnd) {
    var row = Int(rowBegin)
    while row < Int(rowEnd) {
      let rows = min(blockRows, Int(rowEnd) - row)
      var sums = DotProducts(repeating: 0)
      accumulate(level, panel, row, rows, &sums)
      for index in 0..<rows { finish(level, panel, row + index, index, sums) }
      row += rows
    }
  }
}

@inline(__always)
private func accumulate(
  _ level: borrowing snq_matmul_args, _ panel: Int, _ row: Int, _ rows: Int, _ sums: inout DotProducts
) {
  guard let weights = level.weights, let codes = level.codes else { return }
  let padded = Int(level.paddedChannels)
  let source = PanelSource(
    bytes: weights + panel * Int(level.panelStride), layout: Int(level.layout),
    planeStride: Int(level.planeStride), bits: Int(level.weightBits))
  var block = WeightBlock(repeating: 0)
  var channel = 0
  while channel < padded {
    let count = min(blockChannels, padded - channel)
    source.decode(channel, count, &block)
    if let codebook = level.codebook { replaceCodes(by: codebook, count, &block) }
    for index in 0..<rows {
      let rowCodes = codes + (row + index) * Int(level.codeStride) + channel
      var lanes = InlineArray<16, Int32>(repeating: 0)
      for offset in 0..<count {
        let code = Int32(rowCodes[offset])
        for output in 0..<16 {
          lanes[unchecked: output] &+= Int32(block[unchecked: offset &* 16 &+ output]) &* code
        }
      }
      for output in 0..<16 { sums[unchecked: index &* 16 &+ output] &+= lanes[unchecked: output] }
    }
    channel += count
  }
}

/// The entries of a codebook in place of its codes.
@inline(never)
private func replaceCodes(by codebook: UnsafePointer<Int8>, _ count: Int, _ block: inout WeightBlock) {
  for place in 0..<count * 16 {
    block[unchecked: place] = Int16(codebook[Int(block[unchecked: place] & 15)])
  }
}

/// The correction to I and the float steps, exactly as CKernelABI.h writes them.
@inline(__always)
private func finish(
  _ level: borrowing snq_matmul_args, _ panel: Int, _ row: Int, _ index: Int, _ sums: borrowing DotProducts
) {
  guard let allParameters = level.rows else { return }
  let parameters = allParameters[row * Int(level.rowStride)]
  let channels = Int32(truncatingIfNeeded: level.channels)
  let offsetSum = level.activationMultiplier &* parameters.codeSum &- channels &* parameters.constant
  let rowTerm = 0 &- level.weightConstant &* offsetSum
  let productMultiplier = level.weightMultiplier &* level.activationMultiplier
  let sumMultiplier = level.weightMultiplier &* parameters.constant
  let first = panel * 16
  for lane in 0..<min(16, Int(level.outputs) - first) {
    let output = first + lane
    let place = row * Int(level.outputStride) + output
    let dot =
      productMultiplier &* sums[unchecked: index &* 16 &+ lane]
      &- sumMultiplier &* level.storedSum[output] &+ rowTerm
    switch Int(level.mode) {
    case SNQ_INTEGER: level.integerOutput[place] = dot
    case SNQ_INTEGER_ACCUMULATE: level.integerOutput[place] &+= dot
    default:
      level.output[place] = scaled(level, parameters.scale, dot, offsetSum, output, place)
    }
  }
}

@inline(__always)
private func scaled(
  _ level: borrowing snq_matmul_args, _ rowScale: Float, _ dot: Int32, _ offsetSum: Int32, _ output: Int,
  _ place: Int
) -> Float {
  var sum: Float = 0
  if Int(level.mode) == SNQ_START {
    if let bias = level.bias { sum = bias[output] }
  } else {
    sum = level.output[place]
  }
  sum = sum.addingProduct(Float(dot), level.weightScale[output] * rowScale)
  if let weightOffset = level.weightOffset {
    sum = sum.addingProduct(Float(offsetSum) * rowScale, weightOffset[output])
  }
  return sum
}
