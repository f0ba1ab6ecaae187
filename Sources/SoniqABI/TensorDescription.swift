import CSoniq
import SoniqGraph
import SoniqRuntime

extension HostElementType {
  /// - Throws: for what is none of the element types of soniq.h.
  init(constant: UInt32) throws(Failure) {
    switch Int(constant) {
    case SONIQ_FLOAT32: self = .float32
    case SONIQ_INT32: self = .int32
    case SONIQ_INT64: self = .int64
    case SONIQ_FLOAT16: self = .float16
    case SONIQ_INT8: self = .int8
    case SONIQ_UINT8: self = .uint8
    default: throw .argument("element_type", "is \(constant), which is no element type")
    }
  }
}

extension ElementType {
  var constant: UInt32 {
    switch self {
    case .float32: UInt32(SONIQ_FLOAT32)
    case .int32: UInt32(SONIQ_INT32)
    case .float16: UInt32(SONIQ_FLOAT16)
    case .int8: UInt32(SONIQ_INT8)
    case .uint8: UInt32(SONIQ_UINT8)
    }
  }
}

/// Sets element `index` of a C array, which Swift sees as a tuple of its elements.
func setElement<Tuple, Element>(_ tuple: inout Tuple, _ index: Int, _ value: Element) {
  withUnsafeMutableBytes(of: &tuple) { bytes in
    let offset = index * MemoryLayout<Element>.stride
    guard index >= 0, offset + MemoryLayout<Element>.size <= bytes.count else { return }
    bytes.storeBytes(of: value, toByteOffset: offset, as: Element.self)
  }
}

extension soniq_tensor_info {
  /// Describes an input or output; `texts` keeps the names. `usualSizes`: by symbol.
  ///
  /// - Throws: unsupported for more than 8 dimensions.
  init(
    _ info: TensorInfo, symbols: [Symbol], usualSizes: [Int], texts: TextStore
  ) throws(Failure) {
    self.init()
    guard info.shape.count <= Int(SONIQ_MAXIMUM_RANK) else {
      throw Failure(
        .unsupported, "\"\(info.name)\" has \(info.shape.count) dimensions, \(SONIQ_MAXIMUM_RANK) at most",
        node: info.name, field: "shape")
    }
    element_type = info.elementType.constant
    rank = UInt32(info.shape.count)
    is_optional = info.isOptional ? 1 : 0
    name = try texts.keep(info.name)
    for (index, dimension) in info.shape.enumerated() {
      switch dimension {
      case .fixed(let size):
        setElement(&dimensions, index, Int64(size))
        setElement(&maximum_dimensions, index, Int64(size))
        setElement(&usual_dimensions, index, Int64(size))
      case .symbol(let symbol):
        guard symbols.indices.contains(symbol) else {
          throw Failure(.format, "\"\(info.name)\" has an unknown symbol", node: info.name, field: "shape")
        }
        setElement(&dimensions, index, Int64(-1))
        setElement(&maximum_dimensions, index, Int64(symbols[symbol].maximum))
        setElement(&usual_dimensions, index, Int64(usualSizes[symbol]))
        let name: UnsafePointer<CChar>? = try texts.keep(symbols[symbol].name)
        setElement(&dimension_names, index, name)
      }
    }
  }
}

extension soniq_metadata {
  init(key: String, value: MetadataValue, texts: TextStore) throws(Failure) {
    self.init()
    self.key = try texts.keep(key)
    switch value {
    case .text(let text):
      kind = UInt32(SONIQ_METADATA_TEXT)
      self.text = try texts.keep(text)
      text_length = text.utf8.count
    case .integer(let integer):
      kind = UInt32(SONIQ_METADATA_INTEGER)
      self.integer = integer
    case .real(let real):
      kind = UInt32(SONIQ_METADATA_REAL)
      self.real = real
    case .boolean(let boolean):
      kind = UInt32(SONIQ_METADATA_BOOLEAN)
      self.boolean = boolean ? 1 : 0
    }
  }
}
