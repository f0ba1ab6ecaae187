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
  /// How long a run takes, in milliseconds.
  package struct Latency: Sendable, Hashable {
    package var target: Double
    package var predicted: Double
    /// nil where the file is for another machine.
    package var measured: Double?
    /// Threads, sizes and machine.
    package var conditions: String
  }
  package var palette: String
  package var target = PackTarget.any
  package var layers: [Layer] = []
  /// Everything stored for weights.
  package var weights = WeightAccount()
  /// What the user asked for, if anything.
  package var targetBits: Double?
  package var latency: Latency?
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
    if let latency {
      var measured = "not measured here"
      if let time = latency.measured {
        measured = "measured \(decimal(time, 3)) ms"
        if time > latency.target * 1.02 { measured += ", above the target" }
      }
      lines.append(
        "a run takes \(decimal(latency.predicted, 3)) ms by the times of the layers, \(measured), target "
          + "\(decimal(latency.target, 3)) ms (\(latency.conditions))")
    }
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
