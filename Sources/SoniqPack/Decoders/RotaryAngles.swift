import Glibc
import SoniqGraph

/// The angles by which pairs of channels are turned: place * base^(-pair / pairs) * multiplier.
struct RotaryAngles: Sendable, Hashable {
  var pairs: Int
  var base: Double
  /// By pair; empty: 1.
  var multipliers: [Double] = []
  /// What cosines and sines are multiplied with.
  var magnitude = 1.0

  /// [positions][pairs]; in double precision, rounded once.
  func tables(positions: Int) -> (cosine: [Float], sine: [Float]) {
    let steps = (0..<pairs).map { pair in
      pow(base, -Double(pair) / Double(pairs)) * (multipliers.isEmpty ? 1 : multipliers[pair])
    }
    var (cosine, sine): ([Float], [Float]) = ([], [])
    cosine.reserveCapacity(positions * pairs)
    sine.reserveCapacity(positions * pairs)
    for place in 0..<positions {
      for step in steps {
        cosine.append(Float(cos(Double(place) * step) * magnitude))
        sine.append(Float(sin(Double(place) * step) * magnitude))
      }
    }
    return (cosine, sine)
  }

  /// Angles that are all slower by a factor.
  mutating func slow(by factor: Double) {
    multipliers = (0..<pairs).map { (multipliers.isEmpty ? 1 : multipliers[$0]) / factor }
  }

  /// Of Llama 3: slow pairs are slowed down by the factor, fast ones stay, and those between are mixed by their turns
  /// in the context that the model was first made for.
  mutating func bend(by factor: Double, low: Double, high: Double, from context: Double) {
    multipliers = (0..<pairs).map { pair in
      let turns = context * pow(base, -Double(pair) / Double(pairs)) / (2 * .pi)
      let part = min(1, max(0, (turns - low) / max(high - low, 0.001)))
      return (1 - part) / factor + part
    }
  }

  /// "YaRN": slow pairs are slowed down by the factor, fast ones stay, and those between are mixed.
  mutating func stretch(
    by factor: Double, from context: Double, fast: Double, slow: Double, magnitude: Double
  ) {
    let dimensions = Double(2 * pairs)
    func place(_ turns: Double) -> Double {
      dimensions * log(context / (2 * .pi * turns)) / (2 * log(base))
    }
    let low = max(0, place(fast).rounded(.down))
    let high = min(dimensions - 1, place(slow).rounded(.up))
    multipliers = (0..<pairs).map { pair in
      let ramp = min(1, max(0, (Double(pair) - low) / max(high - low, 0.001)))
      return ramp / factor + (1 - ramp)
    }
    self.magnitude = magnitude
  }
}
