package import SoniqGraph

/// Copies the parts of an axis to outputs of their own. An item is one part of one place before the axis.
package struct SplitOperator: TensorOperator {
  package static var entry: TensorEntry { { SplitOperator.answer($0, $1) } }
  let input: Extents
  let axis: Int
  let parts: Int
  /// [parts]: of the axis.
  let sizes: InlineArray<64, Int>
  let elementBytes: Int

  init(input: Extents, axis: Int, sizes: [Int], elementBytes: Int) {
    (self.input, self.axis, self.elementBytes) = (input, axis, elementBytes)
    parts = min(sizes.count, 64)
    self.sizes = InlineArray { $0 < sizes.count ? sizes[$0] : 0 }
  }

  private func outer(_ sizes: UnsafePointer<Int>) -> Int { input.elements(0..<axis, sizes) }
  private func inner(_ sizes: UnsafePointer<Int>) -> Int { input.elements(axis &+ 1..<input.rank, sizes) }

  package func items(_ sizes: UnsafePointer<Int>) -> Int { outer(sizes) &* parts }

  /// Of a part of the mean size.
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    max(1, input.size(axis, sizes) / max(1, parts) &* inner(sizes))
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = inner(frame.sizes)
    let line = input.size(axis, frame.sizes) &* inner
    var place = range.lowerBound / parts
    var part = range.lowerBound % parts
    var begin = 0
    for before in 0..<part { begin &+= sizes[before] }
    for _ in range {
      let length = sizes[part] &* inner &* elementBytes
      (frame.outputBytes(part) + place &* length).copyMemory(
        from: frame.bytes(0) + (place &* line &+ begin &* inner) &* elementBytes, byteCount: length)
      begin &+= sizes[part]
      part &+= 1
      if part == parts { (place, part, begin) = (place &+ 1, 0, 0) }
    }
  }
}

extension Split: TensorOperation {
  package func keepsOrder(_ node: TensorNode) -> Bool { sizes.count == 1 }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    SplitOperator(
      input: node.extents(0), axis: axis, sizes: sizes, elementBytes: node.output.elementType.byteCount)
  }
}
