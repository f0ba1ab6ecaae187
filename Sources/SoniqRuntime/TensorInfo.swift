package import SoniqGraph

/// What a host must know of an input or output.
package struct TensorInfo: Sendable, Hashable {
  package let name: String
  package let elementType: ElementType
  /// Symbols are indices into `Model.symbols`.
  package let shape: [Dimension]
  /// An input that may be left unset.
  package let isOptional: Bool

  package init(name: String, elementType: ElementType, shape: [Dimension], isOptional: Bool) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.isOptional = isOptional
  }
}
