import SoniqGraph

extension OnnxConversion {
  /// com.microsoft's LSTM whose weights are codes, the other way round than ONNX has them: [directions, columns, gates *
  /// hidden], with one scale a direction, or one for each row of gates.
  mutating func dynamicLSTM() throws(PackError) -> [ValueID] {
    try recurrence(
      .lstm, weights: try codedWeights(1, scales: 8, "W"), recurrent: try codedWeights(2, scales: 10, "R"))
  }

  private mutating func codedWeights(_ index: Int, scales place: Int, _ what: String) throws(PackError)
    -> GateWeights
  {
    guard let codes = try knownInput(index, "weights \(what)"), let integers = codes.integers,
      codes.type == .int8 || codes.type == .uint8, codes.shape.count == 3, codes.count > 0
    else { throw fault("its weights \(what) are no codes of int8 or uint8 in three dimensions") }
    let (directions, columns, rows) = (codes.shape[0], codes.shape[1], codes.shape[2])
    guard let scales = try knownInput(place, "scales of \(what)")?.floats,
      scales.count == directions || scales.count == directions * rows, scales.allSatisfy(\.isFinite)
    else {
      throw fault("the scales of its weights \(what) are missing, or not one a direction or a row of gates")
    }
    let zeros = try knownInput(place + 1, "zero points of \(what)")?.integers.map { $0.map { Int($0) } }
    let ownZeros = zeros ?? [Int](repeating: 0, count: scales.count)
    guard ownZeros.count == scales.count else {
      throw fault("the zero points of its weights \(what) are not as many as the scales")
    }
    let groups = scales.count / directions
    let parts = (0..<directions).map { direction -> KnownTensor in
      let own = Array(scales[direction * groups..<(direction + 1) * groups])
      let partZeros = Array(ownZeros[direction * groups..<(direction + 1) * groups])
      var floats = [Float](repeating: 0, count: rows * columns)
      for row in 0..<rows {
        let (scale, zero) = (own[groups == 1 ? 0 : row], partZeros[groups == 1 ? 0 : row])
        for column in 0..<columns {
          let code = Int(integers[(direction * columns + column) * rows + row])
          floats[row * columns + column] = scale * Float(code - zero)
        }
      }
      let grid = CodeGrid(
        scales: own, zeros: partZeros, axis: groups == 1 ? nil : 0, isSigned: codes.type == .int8)
      return KnownTensor(shape: [rows, columns], type: .float32, elements: .floats(floats), grid: grid)
    }
    return GateWeights(shape: [directions, rows, columns], parts: parts)
  }
}
