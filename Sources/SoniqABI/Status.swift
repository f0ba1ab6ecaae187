import CSoniq

/// The statuses of soniq.h, as a closed set. `code` is the number that the header pins.
enum Status: CaseIterable {
  case invalidArgument, invalidHandle, notFound, outOfMemory, io, format, checksum, unsupported, version
  case shape, elementType, data, state, capacity, cancelled, internalFault

  var code: soniq_status {
    switch self {
    case .invalidArgument: soniq_status(SONIQ_ERROR_INVALID_ARGUMENT)
    case .invalidHandle: soniq_status(SONIQ_ERROR_INVALID_HANDLE)
    case .notFound: soniq_status(SONIQ_ERROR_NOT_FOUND)
    case .outOfMemory: soniq_status(SONIQ_ERROR_OUT_OF_MEMORY)
    case .io: soniq_status(SONIQ_ERROR_IO)
    case .format: soniq_status(SONIQ_ERROR_FORMAT)
    case .checksum: soniq_status(SONIQ_ERROR_CHECKSUM)
    case .unsupported: soniq_status(SONIQ_ERROR_UNSUPPORTED)
    case .version: soniq_status(SONIQ_ERROR_VERSION)
    case .shape: soniq_status(SONIQ_ERROR_SHAPE)
    case .elementType: soniq_status(SONIQ_ERROR_ELEMENT_TYPE)
    case .data: soniq_status(SONIQ_ERROR_DATA)
    case .state: soniq_status(SONIQ_ERROR_STATE)
    case .capacity: soniq_status(SONIQ_ERROR_CAPACITY)
    case .cancelled: soniq_status(SONIQ_ERROR_CANCELLED)
    case .internalFault: soniq_status(SONIQ_ERROR_INTERNAL)
    }
  }

  /// The constant's name in the header without SONIQ_ERROR_.
  var name: StaticString {
    switch self {
    case .invalidArgument: "INVALID_ARGUMENT"
    case .invalidHandle: "INVALID_HANDLE"
    case .notFound: "NOT_FOUND"
    case .outOfMemory: "OUT_OF_MEMORY"
    case .io: "IO"
    case .format: "FORMAT"
    case .checksum: "CHECKSUM"
    case .unsupported: "UNSUPPORTED"
    case .version: "VERSION"
    case .shape: "SHAPE"
    case .elementType: "ELEMENT_TYPE"
    case .data: "DATA"
    case .state: "STATE"
    case .capacity: "CAPACITY"
    case .cancelled: "CANCELLED"
    case .internalFault: "INTERNAL"
    }
  }
}

/// Why an entry point failed: what becomes a soniq_error.
struct Failure: Error {
  var status: Status
  /// One sentence without a line break.
  var message: String
  /// The node, tensor or symbol to blame.
  var node: String?
  /// The parameter, option or field of the file to blame.
  var field: String?
  /// In the file, in bytes.
  var offset: Int?

  init(_ status: Status, _ message: String, node: String? = nil, field: String? = nil, offset: Int? = nil) {
    self.status = status
    self.message = message
    self.node = node
    self.field = field
    self.offset = offset
  }

  static func null(_ parameter: String) -> Failure {
    Failure(.invalidArgument, "\(parameter) is NULL", field: parameter)
  }

  static func argument(_ parameter: String, _ reason: String) -> Failure {
    Failure(.invalidArgument, "\(parameter) \(reason)", field: parameter)
  }

  static func index(_ index: UInt32, of what: String, count: Int) -> Failure {
    Failure(.notFound, "there is no \(what) \(index): there are \(count)", field: "index")
  }
}
