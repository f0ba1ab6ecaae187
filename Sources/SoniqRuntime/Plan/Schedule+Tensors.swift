import SoniqCore
import SoniqGraph

extension Schedule {
  /// Constants and what only has another shape need no step; functions of one float are done by rows; everything else is a
  /// step of its own segment.
  mutating func addTensor(_ index: Int, _ operation: TensorOperation) {
    let node = graph.nodes[index]
    switch operation {
    case .constant(let constant):
      guard case .dense(let dense) = graph.constants[constant] else { return }
      slots[node.output].constant = dense.bytes.start
    default:
      if let function = node.operation.elementFunction {
        append(
          .activation(function), [index], reads: node.inputs, writes: [node.output], inPlaceOf: node.inputs)
        return
      }
      if keepsOrder(node, operation), share(node.output, with: node.inputs[0]) { return }
      append(
        .tensor(operation), [index], reads: node.inputs, writes: [node.output],
        inPlaceOf: isElementwise(operation) ? node.inputs : [])
    }
  }

  /// Every element of the output is computed of those at its place in inputs of the same shape.
  private func isElementwise(_ operation: TensorOperation) -> Bool {
    switch operation {
    case .unary, .binary, .select, .cast: true
    default: false
    }
  }

  /// The output has the elements of its one input in the same order.
  private func keepsOrder(_ node: Node, _ operation: TensorOperation) -> Bool {
    let output = graph.values[node.output]
    switch operation {
    case .reshape: return true
    case .cast: return output.elementType == graph.values[node.inputs[0]].elementType
    case .expand: return output.shape == graph.values[node.inputs[0]].shape
    case .slice(let ranges):
      return output.shape == graph.values[node.inputs[0]].shape && ranges.allSatisfy { $0.step > 0 }
    case .transpose(let permutation):
      // Only dimensions of 1 change their places.
      let shape = graph.values[node.inputs[0]].shape
      let moved = permutation.filter { shape[$0] != .fixed(1) }
      return moved == moved.sorted()
    default: return false
    }
  }

  /// Lets `output` be the memory of `input`. Not where the host reads it: an input may be gone by then.
  private mutating func share(_ output: SlotID, with input: SlotID) -> Bool {
    let source = slots[input].aliasOf ?? input
    if let constant = slots[source].constant {
      slots[output].constant = constant
      return true
    }
    let isHosts = slots[source].input != nil || slots[source].isExternal
    guard !(isHosts && slots[output].isKept), !slots[output].isExternal else { return false }
    slots[output].aliasOf = source
    slots[source].isShared = true
    return true
  }
}
