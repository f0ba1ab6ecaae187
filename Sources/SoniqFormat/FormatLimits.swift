import SoniqGraph

/// The constants of the format (docs/format.md).
package enum FormatLimits {
  /// 0x89, "SQ", two version digits, CR, LF, end of file: text transfers that alter bytes break it.
  static func magic(version: Int) -> [UInt8] {
    [0x89, 0x53, 0x51, 0x30, 0x30 + UInt8(truncatingIfNeeded: version), 0x0d, 0x0a, 0x1a]
  }
  /// What this reader reads. A file has the lowest version that can say what is in it.
  package static let versions = 1...3
  package static let headerSize = 64
  package static let directoryEntrySize = 32
  /// Sections begin at, and the file ends at, multiples of this.
  package static let alignment = 64

  /// A file larger than this is refused: 2^44 bytes.
  package static let maximumFileSize = 1 << 44
  package static let maximumSections = 65_536
  /// Bytes of one table section (kinds 1 to 6).
  package static let maximumTableSize = 16 << 20
  package static let maximumMetadataEntries = 4096
  /// Bytes of the metadata section.
  package static let maximumMetadataSize = 4 << 20
  package static let maximumKeyLength = 128
  package static let maximumTextLength = 1 << 20
  package static let maximumNameLength = 256
  package static func symbols(version: Int) -> Int { version < 3 ? 64 : maximumSymbols }
  package static let maximumSymbols = 1024
  /// Definitions and equalities of symbols.
  package static let maximumSizes = 4 * maximumSymbols
  package static let maximumValues = maximumGraphItems
  package static let maximumConstants = maximumGraphItems
  package static let maximumNodes = maximumGraphItems
  package static func nodeInputs(version: Int) -> Int { version == 1 ? 8 : maximumNodeInputs }
  package static let maximumInterfaceValues = 1024
  /// Of a constant of versions 1 and 2, and of a `levelMatrix`.
  package static let maximumLevels = 2
  package static let maximumMatrixLevels = SoniqGraph.maximumMatrixLevels
  package static let rankRange = 1...maximumRank
  package static let dimensionRange = 1...maximumDimension
  /// Channel maps are copied out of the file when it is opened: bytes of all of them together.
  package static let maximumChannelMapSize = 16 << 20
}

/// What a section holds. The raw values are those of the file.
package enum SectionKind: UInt32, Sendable, Hashable, CaseIterable {
  case metadata = 1
  case symbols = 2
  case values = 3
  case constants = 4
  case nodes = 5
  case interface = 6
  /// What symbols are defined as, and must be equal to.
  case sizes = 7
  /// What lives between runs.
  case states = 8
  /// How text becomes token ids.
  case tokenizer = 9
  /// Tiles of weights of one level.
  case weights = 16
  /// float32 scales of the outputs of one level.
  case scales = 17
  /// float32 offsets of the outputs of one level.
  case offsets = 18
  /// int32 sums of stored weights of one level.
  case storedSums = 19
  /// uint32 permutation of channels.
  case channelMap = 20
  /// float32 bias of a matrix.
  case bias = 21
  /// Bit streams of one level of a table.
  case tableCodes = 22
  /// binary16 scales of one level of a table.
  case tableScales = 23
  /// A plain array.
  case dense = 24
  /// float32 panels of a matrix of the reference mode.
  case floatPanels = 25
  case depthwiseWeights = 26
  /// Scales of groups of channels of one level, in the element type of their record.
  case groupScales = 27
  /// Offsets likewise.
  case groupOffsets = 28

  /// The tables that every file has, in file order; data sections follow them.
  package static let tables: [SectionKind] = [.metadata, .symbols, .values, .constants, .nodes, .interface]
  /// Tables behind them, in this order, of files that need them: since version 3.
  package static let optionalTables: [SectionKind] = [.sizes, .states, .tokenizer]
  /// True for the kinds that constants refer to.
  package var isData: Bool { rawValue >= SectionKind.weights.rawValue }
}
