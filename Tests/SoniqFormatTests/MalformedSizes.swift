@testable import SoniqFormat

/// What symbols are defined as, and must be refused. The table is section 6 of the sample: a count, then records of 12
/// bytes and terms of 8 bytes and 4 for each symbol. The first: symbol 2 is floor((width - 1) / 2), terms of 12 and 8
/// bytes; the last: symbol 7 must be 2 * symbol 2.
enum MalformedSizes {
  private static let first = 4
  private static let firstTerm = 16

  static let records: [MalformedCase] = [
    MalformedCase("more sizes than bytes", .truncated, "sizes.count", in: .sizes) {
      $0.set(section: 6, at: 0, to: UInt32(FormatLimits.maximumSizes))
    },
    MalformedCase("2^32-1 sizes", .limitExceeded, "sizes.count", in: .sizes) {
      $0.set(section: 6, at: 0, to: UInt32.max)
    },
    MalformedCase("fewer sizes than records", .trailingBytes, "sizes", in: .sizes) {
      $0.set(section: 6, at: 0, to: UInt32(5))
    },
    MalformedCase("a size of no symbol", .indexOutOfRange, "sizes[0].symbol", in: .sizes) {
      $0.set(section: 6, at: first, to: UInt32(8))
    },
    MalformedCase("two definitions", .duplicate, "sizes[1].symbol", in: .sizes) {
      $0.set(section: 6, at: first, to: UInt32(3))
    },
    MalformedCase("meaning 3", .unknownTag, "sizes[0].meaning", in: .sizes) {
      $0.set(section: 6, at: first + 4, to: UInt8(3))
    },
    MalformedCase("function 4", .unknownTag, "sizes[0].function", in: .sizes) {
      $0.set(section: 6, at: first + 5, to: UInt8(4))
    },
    MalformedCase("17 terms", .limitExceeded, "sizes[0].terms.count", in: .sizes) {
      $0.set(section: 6, at: first + 6, to: UInt8(17))
    },
    MalformedCase("a reserved byte", .reservedNotZero, "sizes[0].reserved", in: .sizes) {
      $0.set(section: 6, at: first + 7, to: UInt8(1))
    },
    MalformedCase("divisor 0", .outOfRange, "sizes[0].divisor", in: .sizes) {
      $0.set(section: 6, at: first + 8, to: UInt32(0))
    },
    MalformedCase("coefficient 0", .invalidModel, "sizes.definition[2]", in: .sizes) {
      $0.set(section: 6, at: firstTerm, to: UInt32(0))
    },
    MalformedCase("a common divisor", .invalidModel, "sizes.definition[2]", in: .sizes) {
      $0.set(section: 6, at: firstTerm, to: UInt32(2))
    },
    MalformedCase("nine symbols", .limitExceeded, "sizes[0].terms.symbols.count", in: .sizes) {
      $0.set(section: 6, at: firstTerm + 4, to: UInt8(9))
    },
    MalformedCase("reserved bytes of a term", .reservedNotZero, "sizes[0].reserved", in: .sizes) {
      $0.set(section: 6, at: firstTerm + 7, to: UInt8(1))
    },
    MalformedCase("a symbol that is not there", .indexOutOfRange, "sizes[0].terms.symbols", in: .sizes) {
      $0.set(section: 6, at: firstTerm + 8, to: UInt32(8))
    },
    MalformedCase("defined by itself", .invalidModel, "sizes.definition[2]", in: .sizes) {
      $0.set(section: 6, at: firstTerm + 8, to: UInt32(2))
    },
    MalformedCase("another size than shapes have", .invalidModel, "nodes[0].window.width", in: .sizes) {
      $0.set(section: 6, at: first + 8, to: UInt32(3))
    },
    MalformedCase("no sizes", .invalidModel, "nodes[0].window.width", in: .sizes) {
      $0.sections[6].bytes = [0, 0, 0, 0]
    },
    MalformedCase(
      "another height than a convolution makes", .invalidModel, "nodes[1].window.height", in: .images
    ) {
      $0.set(section: 6, at: first + 8, to: UInt32(3))
    },
    MalformedCase("sizes twice", .wrongSection, "directory[7].kind", in: .sizes) {
      $0.sections.insert($0.sections[6], at: 6)
    },
    MalformedCase("sizes behind the data", .wrongSection, "directory[7].kind", in: .sizes) {
      $0.sections.append($0.sections.remove(at: 6))
    },
    MalformedCase("sizes in a file of version 2", .wrongSection, "directory[6].kind", in: .sizes) {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
  ]
}
