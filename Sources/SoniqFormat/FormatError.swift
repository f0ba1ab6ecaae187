package import SoniqGraph

/// Why bytes are not a model, or why a model could not be read or written; and where.
package struct FormatError: Error, Sendable, Hashable {
  /// The kinds of fault.
  package enum Code: UInt8, Sendable, Hashable, CaseIterable {
    /// The operating system refused to open, read or map the file (`systemError`).
    case cannotRead
    /// The path names a directory, a pipe, a device or a socket.
    case notARegularFile
    /// No memory for a copy of the file.
    case outOfMemory
    /// The bytes end before the field does.
    case truncated
    /// The first bytes are not those of a model file.
    case wrongMagic
    /// A model file of another version of the format.
    case unsupportedVersion
    /// A size field is not what the rest of the file demands.
    case wrongSize
    /// A section does not begin where the one before it ends.
    case wrongOffset
    /// A section is missing, twice there, of an unknown kind, or not of the kind that is needed.
    case wrongSection
    /// A field that version 1 reserves is not 0.
    case reservedNotZero
    /// Bytes between or after sections, or unused bits of constants, are not 0.
    case paddingNotZero
    /// The bytes are not those that were written.
    case checksumMismatch
    /// A count or length is above the limit of the format.
    case limitExceeded
    /// A tag has a value that version 1 does not define.
    case unknownTag
    /// A number is outside its range.
    case outOfRange
    /// A text is empty, not UTF-8, or holds characters that it must not.
    case invalidText
    /// A name or key is there twice.
    case duplicate
    /// An index points outside its table.
    case indexOutOfRange
    /// A table has bytes after its last record.
    case trailingBytes
    /// The graph breaks a rule; `cause` says which.
    case invalidModel
    /// The numbers of a constant contradict each other (deep verification).
    case inconsistentData
    /// The operating system refused to create or write the file (`systemError`).
    case cannotWrite
  }

  /// A number or text that a fault is about.
  package enum Quantity: Sendable, Hashable {
    case none
    case integer(Int)
    case range(ClosedRange<Int>)
    case bits(UInt64)
    case real(Double)
    case text(String)
  }

  package var code: Code
  /// Byte offset in the file of the field to blame, or of the record that holds it. 0, and not to be told, where no
  /// bytes of the file are to blame.
  package var offset: Int
  /// The field, as docs/format.md calls it: "header.fileSize", "nodes[3].inputs", ...
  package var field: String
  package var got: Quantity
  package var expected: Quantity
  /// `errno` of the call that failed, or 0.
  package var systemError: Int32
  /// The rule that the graph breaks; set when `code` is `invalidModel`.
  package var cause: GraphError?

  package init(
    _ code: Code, offset: Int, field: String, got: Quantity = .none, expected: Quantity = .none,
    systemError: Int32 = 0, cause: GraphError? = nil
  ) {
    self.code = code
    self.offset = offset
    self.field = field
    self.got = got
    self.expected = expected
    self.systemError = systemError
    self.cause = cause
  }
}

extension FormatError.Code {
  /// Whether bytes of the file are to blame, and not the machine or what the path leads to.
  package var isOfBytes: Bool {
    switch self {
    case .cannotRead, .notARegularFile, .outOfMemory, .cannotWrite: false
    default: true
    }
  }
}
