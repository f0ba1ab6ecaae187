package import SoniqCore

/// Index of a value in `Graph.values`.
package typealias ValueID = Int

/// A dynamic size: its name and the largest value the model allows.
package struct Symbol: Sendable, Hashable {
  package var name: String
  package var maximum: Int
  /// Whether nobody said how large it may become: sessions plan for `usual(first:)` of it unless they are told.
  package var isOpen: Bool
  /// Its size in every run, of symbols before it; nil when inputs bind it.
  package var definition: SizeExpression?
  /// What it must be equal to in every run, of any symbols.
  package var equals: [SizeExpression]

  package init(
    name: String, maximum: Int, isOpen: Bool = false, definition: SizeExpression? = nil,
    equals: [SizeExpression] = []
  ) {
    self.name = name
    self.maximum = maximum
    self.isOpen = isOpen
    self.definition = definition
    self.equals = equals
  }

  /// What a session plans for where nobody says. First dimensions count items.
  package func usual(first: Bool) -> Int { isOpen ? min(maximum, first ? 64 : 512) : maximum }
}

/// One dimension of a value.
package enum Dimension: Sendable, Hashable {
  case fixed(Int)
  /// Index into `Graph.symbols`.
  case symbol(Int)

  package var isDynamic: Bool { if case .symbol = self { true } else { false } }
  /// 0 for a symbol.
  package var fixedSize: Int { if case .fixed(let size) = self { size } else { 0 } }
}

/// A tensor that flows between nodes.
package struct Value: Sendable, Hashable {
  package var name: String
  package var elementType: ElementType
  package var shape: [Dimension]
  package init(name: String, elementType: ElementType, shape: [Dimension]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }
}

/// A value the host provides. `fill` makes it optional: used for every element when it is not set.
package struct GraphInput: Sendable, Hashable {
  package var value: ValueID
  package var fill: Int32?
  package init(value: ValueID, fill: Int32? = nil) {
    self.value = value
    self.fill = fill
  }
}

/// One step of the computation.
package struct Node: Sendable {
  package var name: String
  package var operation: Operation
  package var inputs: [ValueID]
  /// What it makes, in the order that its operation says; at least one.
  package private(set) var outputs: [ValueID]
  package init(
    name: String, operation: Operation, inputs: [ValueID], output: ValueID, moreOutputs: [ValueID] = []
  ) {
    self.name = name
    self.operation = operation
    self.inputs = inputs
    outputs = [output] + moreOutputs
  }

  /// The first output: the only one of most operations.
  package var output: ValueID {
    get { outputs[0] }
    set { outputs[0] = newValue }
  }
}

/// A computation: nodes in an order in which every value is made before it is used.
package struct Graph: Sendable {
  package var symbols: [Symbol] = [] {
    didSet { quotients = QuotientTable(symbols) }
  }
  private(set) var quotients = QuotientTable()
  package var values: [Value] = []
  package var constants: [Constant] = []
  package var constantNames: [String] = []
  package var nodes: [Node] = []
  package var inputs: [GraphInput] = []
  package var outputs: [ValueID] = []
  /// What lives between the runs of a session.
  package var states: [GraphState] = []
  package init() {}
}

/// One typed entry of a model's metadata.
package enum MetadataValue: Sendable, Hashable {
  case text(String)
  case integer(Int64)
  case real(Double)
  case boolean(Bool)
}

/// A whole model: graph, metadata, and whatever keeps the bytes of its constants alive.
package struct ModelDescription: @unchecked Sendable {
  package var graph: Graph
  /// Unique keys, in file order. Well-known keys are listed in docs/format.md.
  package var metadata: [(key: String, value: MetadataValue)]
  package var owner: [AnyObject]
  /// What files of other content do not have; 0 of a model that was read from none.
  package var identity: UInt64 = 0
  package var tokenizer: TokenizerSection?

  package init(graph: Graph, metadata: [(key: String, value: MetadataValue)], owner: [AnyObject]) {
    self.graph = graph
    self.metadata = metadata
    self.owner = owner
  }
}

/// The bytes of a model's tokenizer, which the owner of the model keeps; nothing of the graph needs what they say.
package struct TokenizerSection: Sendable {
  package var bytes: ConstantBytes
  /// In the file; 0 of one that is not written yet.
  package var offset: Int
  /// What the file says of the bytes; nil of one that is not written yet.
  package var checksum: UInt64?

  package init(bytes: ConstantBytes, offset: Int = 0, checksum: UInt64? = nil) {
    (self.bytes, self.offset, self.checksum) = (bytes, offset, checksum)
  }
}
