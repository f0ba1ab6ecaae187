import SoniqGraph

extension DraftWeights {
  /// One of several runs of outputs.
  func part(_ index: Int, of count: Int) -> DraftWeights {
    let size = outputs / count
    let range = index * size..<(index + 1) * size
    return DraftWeights(
      outputs: size, inputs: inputs,
      values: Array(values[range.lowerBound * inputs..<range.upperBound * inputs]),
      bias: bias.map { Array($0[range]) })
  }
  /// What the layer makes of rows of numbers.
  func applied(to rows: [Float], count: Int) -> [Float] {
    var result = [Float](repeating: 0, count: count * outputs)
    // Columns first: the inner loop goes along the outputs.
    var columns = [Float](repeating: 0, count: values.count)
    for output in 0..<outputs {
      for input in 0..<inputs { columns[input * outputs + output] = values[output * inputs + input] }
    }
    let start = bias ?? [Float](repeating: 0, count: outputs)
    result.withUnsafeMutableBufferPointer { result in
      columns.withUnsafeBufferPointer { columns in
        for row in 0..<count {
          for output in 0..<outputs { result[row * outputs + output] = start[output] }
          for input in 0..<inputs {
            let factor = rows[row * inputs + input]
            for output in 0..<outputs {
              result[row * outputs + output] += columns[input * outputs + output] * factor
            }
          }
        }
      }
    }
    return result
  }
}
