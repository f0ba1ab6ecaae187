import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Packs weights with the codes and scales that a QDQ model states, as they are.
struct StatedCodes {
  let store: ConstantStore

  /// A matrix; nil when the model does not state what its layer needs: codes of weights, and where scales must be
  /// fixed, of activations.
  func matrix(
    _ weights: DraftWeights, taps: Int, needsFixedScale: Bool, name: String
  ) throws(PackError) -> Constant? {
    guard let grid = weights.grid, grid.activation != nil || !needsFixedScale else { return nil }
    let zero = try self.zero(grid, name)
    let scales = spread(grid.scales, weights.outputs)
    var codes = [UInt8](repeating: 0, count: weights.values.count)
    for row in 0..<weights.outputs {
      for place in row * weights.inputs..<(row + 1) * weights.inputs {
        codes[place] = Self.code(weights.values[place], scale: scales[row], zero: zero)
      }
    }
    let level = Level(
      weight: WeightCode(kind: .affine, bits: 8, zero: zero), activation: Self.activation(grid.activation))
    let run = QuantizedRun(
      level: level, channels: weights.inputs / taps, taps: taps, codes: codes, scales: scales)
    do throws(QuantizationError) {
      return .matrix(
        try PackedMatrixBuilder(store: store).matrix(
          outputs: weights.outputs, runs: [run], bias: weights.bias))
    } catch {
      throw PackError(.data, place: "node \(name)", "its codes cannot be packed: \(error)")
    }
  }

  /// A depthwise convolution of [taps][channels]; nil as above, or where an integer does not fit a signed byte.
  func depthwise(_ weights: [Float], taps: Int, grid: CodeGrid?, name: String) throws(PackError) -> Constant?
  {
    guard let grid, grid.activation != nil else { return nil }
    let zero = try self.zero(grid, name)
    guard zero == 128 else { return nil }
    let channels = weights.count / taps
    let padded = (channels + 15) / 16 * 16
    let scales = spread(grid.scales, channels)
    var integers = [Int8](repeating: 0, count: taps * padded)
    for tap in 0..<taps {
      for channel in 0..<channels {
        let code = Self.code(weights[tap * channels + channel], scale: scales[channel], zero: zero)
        integers[tap * padded + channel] = Int8(truncatingIfNeeded: Int(code) - 128)
      }
    }
    return .depthwise(
      PackedDepthwise(
        channels: channels, taps: taps,
        level: Level(weight: .symmetric(8), activation: Self.activation(grid.activation)),
        weights: store.store(integers), scales: store.store(scales, paddedTo: padded)))
  }

  /// The unsigned code of 0, which all outputs share.
  private func zero(_ grid: CodeGrid, _ name: String) throws(PackError) -> Int {
    let zeros = Set(grid.zeros.map { $0 + (grid.isSigned ? 128 : 0) })
    guard zeros.count == 1, let zero = zeros.first, (0...255).contains(zero) else {
      throw PackError(.data, place: "node \(name)", "its weights' zero points differ or are out of range")
    }
    return zero
  }

  private func spread(_ scales: [Float], _ count: Int) -> [Float] {
    scales.count == 1 ? [Float](repeating: scales[0], count: count) : scales
  }

  /// The code that a number was made from: the quotient is whole but for rounding.
  private static func code(_ number: Float, scale: Float, zero: Int) -> UInt8 {
    let code = (number / scale).rounded(.toNearestOrEven) + Float(zero)
    return UInt8(min(max(code.isNaN ? 0 : code, 0), 255))
  }

  private static func activation(_ grid: ActivationGrid?) -> ActivationCode {
    guard let grid else { return ActivationCode(kind: .affine, bits: 8) }
    return ActivationCode(kind: .affine, bits: 8, scaling: .fixed(scale: grid.scale, zero: grid.zero))
  }
}
