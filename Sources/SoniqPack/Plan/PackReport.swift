import SoniqCore
import SoniqQuantizers

/// What packing did, in numbers.
package struct PackReport: Sendable, Hashable {
  /// One layer's levels: spelling and input channels.
  package struct Layer: Sendable, Hashable {
    package var name: String
    package var levels: [String]
    package var channels: [Int]
    package var account: WeightAccount
  }
  package var palette: String
  package var target = PackTarget.any
  package var layers: [Layer] = []
  /// Everything stored for weights.
  package var weights = WeightAccount()
  /// What the user asked for, if anything.
  package var targetBits: Double?
  package var calibration: String
  package var calibrationTokens: Int
  package var calibrationUnit = "tokens"
  /// Packed against float outputs on the calibration sequences; nil when the model stays float32.
  package var agreement: OutputAgreement?
}

extension PackReport {
  /// What `soniq-pack pack` prints: the file, the bits, the calibration and how close the outputs are.
  package func summary(path: String, byteCount: Int) -> String {
    var lines = [
      "\(path): \(byteCount) bytes, palette \(palette)",
      "\(weights.weightCount) weights, \(decimal(weights.averageBits, 4)) bits each with scales, sums, maps "
        + "and padding (\(weights.byteCount) bytes)" + (targetBits.map { ", target \($0)" } ?? ""),
    ]
    for (level, channels) in levelTotals() { lines.append("  \(level): \(channels) input channels") }
    if target.weightRange == .half {
      let hasBytes = layers.contains { $0.levels.contains { $0.hasPrefix("w8") } }
      lines.append(
        hasBytes
          ? "weights rounded to 8 bits lie within -64...63, for CPUs without VNNI"
          : "--target changed nothing: no layer has weights of 8 bits")
    }
    if calibrationTokens > 0 {
      lines.append("calibrated on \(calibration), \(calibrationTokens) \(calibrationUnit)")
    }
    if let agreement {
      lines.append(
        "output against float32 on part of them: cosine mean \(decimal(agreement.meanCosine, 5)), "
          + "lowest \(decimal(agreement.minimumCosine, 5))")
    }
    return lines.map(PlainText.escaped).joined(separator: "\n")
  }

  private func levelTotals() -> [(String, Int)] {
    var totals: [String: Int] = [:]
    for layer in layers {
      for (level, channels) in zip(layer.levels, layer.channels) { totals[level, default: 0] += channels }
    }
    return totals.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
