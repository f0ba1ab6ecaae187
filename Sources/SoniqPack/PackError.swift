/// What stopped the packer: one line that names the file and, where there is one, the tensor or field.
package struct PackError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The raw value is the exit code of `soniq-pack` (the numbers of sysexits.h).
  package enum Kind: Int32, Sendable, Hashable {
    /// A palette, a target or another argument makes no sense.
    case usage = 64
    /// A file was read and is not what it should be.
    case data = 65
    /// A file is missing or cannot be opened.
    case noInput = 66
    /// A bug of the packer.
    case software = 70
    /// The machine has no memory or threads left.
    case system = 71
    /// The output cannot be made.
    case cannotCreate = 73
    /// Reading or writing failed half way.
    case inputOutput = 74
  }
  package var kind: Kind
  package var file: String?
  /// Tensor, field or node inside the file.
  package var place: String?
  package var message: String

  package init(_ kind: Kind, file: String? = nil, place: String? = nil, _ message: String) {
    self.kind = kind
    self.file = file
    self.place = place
    self.message = message
  }

  package var description: String {
    ([file, place].compactMap { $0 } + [message]).joined(separator: ": ")
  }
}
