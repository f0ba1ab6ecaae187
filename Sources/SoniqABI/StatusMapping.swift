import SoniqFormat
import SoniqGraph
import SoniqMemory
import SoniqQuantizers
import SoniqRuntime

// The errors of the layers below as statuses: one exhaustive switch each, so that a new code of theirs does
// not compile until it has a status here.

extension Failure {
  init(_ error: MemoryError) {
    switch error {
    case .outOfMemory(let byteCount):
      self.init(.outOfMemory, "no memory: \(byteCount) bytes were asked for")
    case .invalidRequest(let byteCount, let alignment):
      self.init(.internalFault, "\(byteCount) bytes aligned to \(alignment) were asked for")
    case .misaligned(let alignment):
      self.init(
        .invalidArgument, "the host's allocator gave memory that is not aligned to \(alignment) bytes",
        field: "allocator")
    }
  }

  /// `nodeName` gives the name of a node's index.
  init(_ error: RuntimeError, nodeName: (Int) -> String? = { _ in nil }) {
    if error.code == .invalidGraph, let graphError = error.graphError {
      self.init(graphError, nodeName: nodeName)
      return
    }
    let place = error.place
    let field: String? =
      switch place {
      case .option: error.subject
      case .environment: "SONIQ_MAX_ISA"
      case .sizes: "size_limits"
      case .tensor, .nothing: nil
      }
    let isOfTensor = place == .tensor || error.code == .dimensionNotPlanned
    self.init(
      Status(error.code), error.message,
      node: isOfTensor ? error.subject : error.node.flatMap(nodeName), field: field)
  }

  init(_ error: GraphError, nodeName: (Int) -> String? = { _ in nil }) {
    self.init(Status(error.code), error.message, node: error.node.flatMap(nodeName), field: error.field)
  }

  init(_ error: FormatError) {
    self.init(
      Status(error.code), error.message, field: error.field,
      offset: error.code.isOfBytes ? error.offset : nil)
  }

  init(_ error: QuantizationError) {
    switch error {
    case .size(let field, let got, let expected):
      self.init(
        .invalidArgument, "\(field) has \(got) elements, \(expected) are needed", field: field.rawValue)
    case .invalidLevel(let index):
      self.init(.invalidArgument, "level \(index) has bits, a zero or a scale out of range", field: "levels")
    case .codeOutOfRange(let level, let index, let code):
      self.init(.data, "code \(index) of level \(level) is \(code), too large for its bits", field: "codes")
    case .invalidNumber(let field, let index):
      self.init(.data, "\(field)[\(index)] is not a finite number", field: field.rawValue)
    case .notAPermutation(let field, let position):
      self.init(
        .invalidArgument, "\(field)[\(position)] keeps it from being a permutation", field: field.rawValue)
    case .tooManyChannels(let level, let got, let limit):
      self.init(
        .unsupported, "level \(level) has \(got) channels; from \(limit) on a sum could leave 32 bits",
        field: "inputs")
    case .tooLarge:
      self.init(.invalidArgument, "the matrix is too large to address", field: "outputs")
    }
  }
}

extension Status {
  init(_ code: RuntimeError.Code) {
    switch code {
    case .invalidGraph: self = .format
    case .unknownInstructionSet, .invalidOption, .nullPointer, .invalidArgument, .workspaceMisaligned,
      .misalignedAllocator:
      self = .invalidArgument
    case .noSuchInput, .noSuchOutput: self = .notFound
    case .wrongElementType: self = .elementType
    case .wrongRank, .wrongDimension, .dimensionTooLarge, .dimensionNotPlanned, .sizesTooLarge,
      .dimensionConflict, .sizeOutOfRange, .sizesDiffer, .sliceOutOfRange:
      self = .shape
    case .inputMissing, .outputNotReady: self = .state
    case .idOutOfRange, .numberOutOfRange: self = .data
    case .outOfMemory, .workspaceTooSmall: self = .outOfMemory
    case .workspaceTooLarge, .notADecoder: self = .unsupported
    case .stateSizeDiffers: self = .shape
    case .capacityExceeded: self = .capacity
    case .cannotTruncate: self = .state
    case .invalidStates, .statesOfAnotherModel: self = .data
    case .threadFailed: self = .io
    case .hostParallelForFailed: self = .cancelled
    }
  }

  init(_ code: FormatError.Code) {
    switch code {
    case .cannotRead, .notARegularFile, .cannotWrite: self = .io
    case .outOfMemory: self = .outOfMemory
    case .unsupportedVersion: self = .version
    case .checksumMismatch: self = .checksum
    case .limitExceeded: self = .unsupported
    case .truncated, .wrongMagic, .wrongSize, .wrongOffset, .wrongSection, .reservedNotZero, .paddingNotZero,
      .unknownTag, .outOfRange, .invalidText, .duplicate, .indexOutOfRange, .trailingBytes, .invalidModel,
      .inconsistentData:
      self = .format
    }
  }

  init(_ code: GraphError.Code) {
    switch code {
    case .indexOutOfRange, .wrongKind, .usedBeforeDefinition, .producedTwice, .neverProduced,
      .wrongInputCount, .wrongOutputCount,
      .invalidAttribute, .shapeMismatch, .elementTypeMismatch, .invalidSize, .wrongByteCount, .misaligned,
      .notAPermutation, .invalidNumber, .invalidLevel, .invalidName, .undefinedSize:
      self = .format
    case .tooManyChannels, .tooLarge: self = .unsupported
    }
  }
}

extension RuntimeError {
  /// What `subject` names; or, of sizes, which option would help.
  enum Place { case tensor, option, environment, sizes, nothing }

  var place: Place {
    switch code {
    case .noSuchInput, .noSuchOutput, .wrongElementType, .wrongRank, .wrongDimension, .dimensionTooLarge,
      .dimensionConflict, .inputMissing, .idOutOfRange, .numberOutOfRange, .outputNotReady, .stateSizeDiffers,
      .capacityExceeded:
      subject.isEmpty ? .nothing : .tensor
    // The option is a constant, checked before: the variable is wrong, and `subject` its value.
    case .unknownInstructionSet: .environment
    case .invalidOption, .invalidArgument, .nullPointer:
      subject.isEmpty ? .nothing : .option
    case .sizesTooLarge, .dimensionNotPlanned: .sizes
    case .invalidGraph, .outOfMemory, .misalignedAllocator, .workspaceTooLarge,
      .workspaceTooSmall,
      .workspaceMisaligned,
      .threadFailed, .hostParallelForFailed, .sizeOutOfRange, .sizesDiffer, .sliceOutOfRange,
      .cannotTruncate, .invalidStates, .statesOfAnotherModel, .notADecoder:
      .nothing
    }
  }
}
