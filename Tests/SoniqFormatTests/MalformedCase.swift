import Testing

@testable import SoniqFormat

/// A file that must be refused, why, and for which field.
struct MalformedCase: Sendable, CustomTestStringConvertible {
  var name: String
  var code: FormatError.Code
  var field: String
  var sample: SampleModel
  var edit: @Sendable (inout RawFile) throws -> Void

  init(
    _ name: String, _ code: FormatError.Code, _ field: String, in sample: SampleModel = .small,
    _ edit: @escaping @Sendable (inout RawFile) throws -> Void
  ) {
    self.name = name
    self.code = code
    self.field = field
    self.sample = sample
    self.edit = edit
  }

  var testDescription: String { name }

  func bytes() throws -> [UInt8] {
    let model = sample.make()
    var file = try RawFile(model)
    try edit(&file)
    return file.build()
  }
}
