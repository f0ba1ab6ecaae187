package enum PoolFunction: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  /// Of the taps inside the image; -infinity where there is none.
  case maximum = 1
  /// Divides by the taps inside the image; 0 where there is none.
  case average
  /// Divides by all taps, also those on padding.
  case averageOfAllTaps
}

/// [B,H,W,C] -> [B,H',W',C].
package struct Pool: Operator {
  package static let schema = OperatorSchema(tensor: "pool", tag: 17)
  package var function = PoolFunction.maximum
  package var window = Window(height: 1, width: 1)

  package init() {}
  package init(_ function: PoolFunction, _ window: Window) {
    (self.function, self.window) = (function, window)
  }
  package var operation: Operation { .pool(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("function", &function)
    try coder.reserved(2)
    try coder.window(&window)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let image = try node.image()
    let outputs = try node.outputs(of: window, height: image.height, width: image.width)
    return node.floats([image.batch] + outputs + [.fixed(image.channels)])
  }
}

extension Operation {
  package static func pool(_ function: PoolFunction, _ window: Window) -> Operation {
    .pool(Pool(function, window))
  }
}
