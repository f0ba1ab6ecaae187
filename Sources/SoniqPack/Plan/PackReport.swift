import SoniqCore

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
  package var layers: [Layer] = []
  /// Everything stored for weights.
  package var weights = WeightAccount()
  package var calibration: String
  package var calibrationTokens: Int
  /// Packed against float outputs on the calibration sequences; nil when the model stays float32.
  package var agreement: OutputAgreement?
}
