/// Where the operands of one call lie. Pointers are valid for whole values; the output overlaps no input but one of
/// equal shape that an operator may be computed in place of.
package struct OperatorFrame: BitwiseCopyable {
  /// By symbol.
  let sizes: UnsafePointer<Int>
  private let inputs: UnsafePointer<UnsafeMutableRawPointer>
  private let outputs: UnsafePointer<UnsafeMutableRawPointer>
  /// Memory of this lane alone, aligned to 64; `MatmulOperator.scratchBytes`.
  let scratch: UnsafeMutableRawPointer
  let fault: UnsafeMutablePointer<IndexFault>

  package init(
    sizes: UnsafePointer<Int>, inputs: UnsafePointer<UnsafeMutableRawPointer>,
    outputs: UnsafePointer<UnsafeMutableRawPointer>,
    scratch: UnsafeMutableRawPointer, fault: UnsafeMutablePointer<IndexFault>
  ) {
    self.sizes = sizes
    self.inputs = inputs
    self.outputs = outputs
    self.scratch = scratch
    self.fault = fault
  }

  func bytes(_ input: Int) -> UnsafeRawPointer { UnsafeRawPointer(inputs[input]) }
  func floats(_ input: Int) -> UnsafePointer<Float> { bytes(input).assumingMemoryBound(to: Float.self) }
  func integers(_ input: Int) -> UnsafePointer<Int32> { bytes(input).assumingMemoryBound(to: Int32.self) }
  var outputBytes: UnsafeMutableRawPointer { outputBytes(0) }
  /// One of several outputs.
  func outputBytes(_ output: Int) -> UnsafeMutableRawPointer { outputs[output] }
  func elements<Element>(_ input: Int, of type: Element.Type) -> UnsafePointer<Element> {
    bytes(input).assumingMemoryBound(to: Element.self)
  }
  func outputElements<Element>(of type: Element.Type) -> UnsafeMutablePointer<Element> {
    outputBytes.assumingMemoryBound(to: Element.self)
  }
  var output: UnsafeMutablePointer<Float> { outputBytes.assumingMemoryBound(to: Float.self) }
  var integerOutput: UnsafeMutablePointer<Int32> { outputBytes.assumingMemoryBound(to: Int32.self) }
  /// One of several outputs, by its bits.
  func integers(output: Int) -> UnsafeMutablePointer<Int32> {
    outputs[output].assumingMemoryBound(to: Int32.self)
  }
}

/// The first index out of range that a lane met in a run.
package struct IndexFault: BitwiseCopyable, Sendable {
  /// Of the index in its value; negative when there is none.
  package var position = -1
  /// The node's index, the index found, and the size that it is beyond.
  package var node = 0
  package var index = 0
  package var size = 0

  package init() {}
  package var isSet: Bool { position >= 0 }

  /// Keeps the first index of the first node, whatever the order in which the lanes come.
  package mutating func report(node: Int, position: Int, index: Int, size: Int) {
    if isSet, (self.node, self.position) <= (node, position) { return }
    self.node = node
    self.index = index
    self.size = size
    self.position = position
  }
}
