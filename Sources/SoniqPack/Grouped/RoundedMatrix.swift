import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// A matrix of codes in groups whose scales and offsets are bytes, not yet in the layout of the file.
struct RoundedMatrix: Sendable {
  private let outputs: Int
  private let channels: Int
  private let groups: Int
  private let bias: ConstantBytes?
  private let form: GroupForm
  /// [output][channel]
  private var codes: [UInt8]
  /// [output][group]
  private var scales: [UInt8]
  private var offsets: [UInt8]
  /// By output: what a count of scales, and one of offsets, is worth.
  private var units: [(scale: Float, offset: Float)]

  init(_ source: FloatMatrix, _ form: GroupForm, _ compensation: GroupCompensation) {
    (outputs, channels, bias, self.form) = (source.outputs, source.inputs, source.bias, form)
    groups = (channels + compensation.groupLength - 1) / compensation.groupLength
    codes = [UInt8](repeating: 0, count: outputs * channels)
    scales = [UInt8](repeating: 0, count: outputs * groups)
    offsets = scales
    units = []
    let panels = source.panels.bound(to: SIMD16<Float>.self)
    for first in stride(from: 0, to: outputs, by: panelOutputs) {
      guard let panel = panels.baseAddress.map({ $0 + first / panelOutputs * channels }) else { continue }
      add(compensation.quantize(panel), first..<min(first + panelOutputs, outputs))
    }
  }

  private mutating func add(_ panel: GroupCodes, _ rows: Range<Int>) {
    for (lane, output) in rows.enumerated() {
      for channel in 0..<channels { codes[output * channels + channel] = UInt8(panel.codes[channel][lane]) }
      for group in 0..<groups {
        scales[output * groups + group] = UInt8(panel.scales[group][lane])
        offsets[output * groups + group] = UInt8(panel.offsets[group][lane])
      }
      units.append((panel.units.scale[lane], panel.units.offset[lane]))
    }
  }

  /// - Throws: `data` for sizes that no packed matrix can have.
  func packed(_ store: ConstantStore) throws(PackError) -> PackedMatrix {
    guard let matrix = GroupedMatrix(form.layout(.uint8), outputs: outputs, channels: channels) else {
      throw PackError(.data, DecoderMatrices.tooLarge)
    }
    let bias = bias.map { Array($0.bound(to: Float.self).prefix(outputs)) }
    return try matrix.packed(store: store, bias: bias) { (output, target, numbers) throws(PackError) in
      for channel in 0..<channels { target[channel] = codes[output * channels + channel] }
      for group in 0..<groups {
        numbers.scales[group] = Float(scales[output * groups + group])
        numbers.offsets[group] = Float(offsets[output * groups + group])
      }
      numbers.units?[0] = units[output].scale
      numbers.units?[1] = units[output].offset
    }
  }
}
