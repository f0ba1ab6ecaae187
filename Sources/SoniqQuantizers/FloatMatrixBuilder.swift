import SoniqCore
package import SoniqGraph

extension ConstantStore {
  /// A float matrix in panels of 16 outputs, [panel][input][16].
  /// * weights: row-major [outputs][inputs].
  /// * bias: [outputs], or nil.
  package func floatMatrix(
    weights: UnsafeBufferPointer<Float>, outputs: Int, inputs: Int, bias: [Float]?
  ) throws(QuantizationError) -> FloatMatrix {
    guard outputs > 0, inputs > 0, let paddedOutputs = roundedUp(outputs, to: panelOutputs),
      let count = checkedProduct(outputs, inputs),
      let byteCount = checkedProduct(paddedOutputs, inputs, MemoryLayout<Float>.stride)
    else { throw .tooLarge }
    guard weights.count == count else { throw .size(.weights, got: weights.count, expected: count) }
    if let bias, bias.count != outputs { throw .size(.bias, got: bias.count, expected: outputs) }
    let buffer = AlignedBuffer(byteCount: byteCount)
    let panels = buffer.bound(to: Float.self)
    for output in 0..<outputs {
      let lane = output / panelOutputs * panelOutputs * inputs + output % panelOutputs
      for input in 0..<inputs {
        panels[lane + input * panelOutputs] = weights[output * inputs + input]
      }
    }
    return FloatMatrix(
      outputs: outputs, inputs: inputs, panels: keep(buffer),
      bias: bias.map { store($0, paddedTo: paddedOutputs) })
  }
}

extension FloatMatrix {
  /// The weights row-major, [outputs][inputs].
  package var rowMajor: [Float] {
    let panels = panels.bound(to: Float.self)
    return [Float](unsafeUninitializedCapacity: outputs * inputs) { weights, count in
      for output in 0..<outputs {
        let lane = output / panelOutputs * panelOutputs * inputs + output % panelOutputs
        for input in 0..<inputs {
          weights[output * inputs + input] = panels[lane + input * panelOutputs]
        }
      }
      count = outputs * inputs
    }
  }
}
