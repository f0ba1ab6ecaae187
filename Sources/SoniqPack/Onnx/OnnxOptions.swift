import SoniqGraph

/// What the user may say about the inputs of an ONNX model.
package struct OnnxOptions: Sendable {
  /// Whole shapes by input name; nil entries stay as the model has them.
  package var shapes: [String: [Int?]] = [:]
  /// The largest values of dynamic sizes, by their name.
  package var maximums: [String: Int] = [:]
  /// How large a dynamic size may be that nobody bounds.
  var openSizes = OpenSizes.least
  /// Inputs and outputs that become states of a session.
  package var states: [StatePair] = []

  /// What inputs are in every run, by name: the packed model does not have them. One number for all elements, or one for each.
  var values: [String: [Double]] = [:]
  /// The most rounds that a loop is unrolled to.
  package var maximumRounds = 256

  /// Whether weights whose 8-bit codes the model states (QDQ) are packed as they are, rather than as real numbers.
  package var keepsCodes = true

  package init() {}

  /// * shapes: as `image=1,3,224,224`; `?` for a size that stays.
  /// * maximums: as `sequence=512`.
  /// * values: as `rate=16000` or `sizes=3,4`.
  /// * states: as `h=hn`.
  /// - Throws: `usage` for anything else.
  package init(
    shapes: [String], maximums: [String], values: [String] = [], states: [String] = []
  ) throws(PackError) {
    for text in states {
      guard let mark = text.lastIndex(of: "="), mark != text.startIndex,
        text.index(after: mark) != text.endIndex
      else { throw PackError(.usage, place: "--state \(text)", "should be INPUT=OUTPUT") }
      self.states.append(
        StatePair(input: String(text[..<mark]), output: String(text[text.index(after: mark)...])))
    }
    for text in shapes {
      let (name, sizes) = try Self.parts(text, option: "--shape")
      var shape: [Int?] = []
      for size in sizes.split(separator: ",", omittingEmptySubsequences: false) {
        shape.append(size == "?" ? nil : try Self.size(size, option: "--shape \(text)"))
      }
      guard self.shapes.updateValue(shape, forKey: name) == nil else {
        throw PackError(.usage, place: "--shape \(text)", "the input has a shape already")
      }
    }
    self.maximums = try Self.sizes(maximums, option: "--maximum")
    for text in values {
      let (name, list) = try Self.parts(text, option: "--value")
      var numbers: [Double] = []
      for part in list.split(separator: ",", omittingEmptySubsequences: false) {
        guard let number = Double(part), number.isFinite else {
          throw PackError(.usage, place: "--value \(text)", "\"\(part)\" is no number")
        }
        numbers.append(number)
      }
      guard self.values.updateValue(numbers, forKey: name) == nil else {
        throw PackError(.usage, place: "--value \(text)", "the input has a value already")
      }
    }
  }

  /// Sizes by name, as of `sequence=128`.
  package static func sizes(_ texts: [String], option: String) throws(PackError) -> [String: Int] {
    var sizes: [String: Int] = [:]
    for text in texts {
      let (name, size) = try parts(text, option: option)
      guard sizes.updateValue(try Self.size(size, option: "\(option) \(text)"), forKey: name) == nil else {
        throw PackError(.usage, place: "\(option) \(text)", "the size is given already")
      }
    }
    return sizes
  }

  /// Names may hold "=": the last one counts.
  private static func parts(_ text: String, option: String) throws(PackError) -> (String, Substring) {
    guard let mark = text.lastIndex(of: "="), mark != text.startIndex else {
      throw PackError(.usage, place: "\(option) \(text)", "should be NAME=SIZE")
    }
    return (String(text[..<mark]), text[text.index(after: mark)...])
  }

  private static func size(_ text: Substring, option: String) throws(PackError) -> Int {
    guard let size = Int(text), (1...maximumDimension).contains(size) else {
      throw PackError(.usage, place: option, "\"\(text)\" is no size")
    }
    return size
  }
}
