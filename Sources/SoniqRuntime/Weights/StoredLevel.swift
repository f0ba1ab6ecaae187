import SoniqCore
import SoniqGraph

/// How the weights of one level of a matrix lie in the model's file: all that a form made of them depends on.
struct StoredLevel: BitwiseCopyable, Hashable {
  let weights: UnsafeRawPointer
  let code: WeightCode
  /// Of one tap.
  let channels: Int
  let taps: Int
  let panels: Int

  /// - Parameters:
  ///   - level: of a valid matrix.
  ///   - panels: of the matrix.
  init(_ level: MatrixLevel, panels: Int) {
    weights = level.weights.start
    code = level.level.weight
    channels = level.channels
    taps = level.taps
    self.panels = panels
  }

  var layout: WeightLayout { code.layout }
  var planes: Int { layout == .planes ? code.bits : 1 }
  /// Of one tap, and of all.
  var paddedChannels: Int {
    (channels + layout.tileChannels - 1) / layout.tileChannels * layout.tileChannels
  }
  var storedChannels: Int { taps * paddedChannels }
  var planeStride: Int { storedChannels / layout.tileChannels * 64 }
  var panelStride: Int { planeStride * planes }
  /// Bytes between the taps of a plane.
  var tapStride: Int { paddedChannels / layout.tileChannels * 64 }
}
