import SoniqGraph

extension OnnxConversion {
  /// If. A condition that is known decides: the other branch is not looked at. Otherwise both branches are converted and
  /// each output selects; a run does the steps of one of them.
  mutating func branch() throws(PackError) -> [ValueID] {
    let condition = try input(0)
    let branches = (try body(attribute: "then_branch"), try body(attribute: "else_branch"))
    for (name, branch) in [("then_branch", branches.0), ("else_branch", branches.1)] {
      guard branch.outputs.count == node.outputs.count else {
        throw fault("its \(name) has \(branch.outputs.count) outputs, the node has \(node.outputs.count)")
      }
      guard branch.inputs.isEmpty else { throw fault("its \(name) has inputs") }
    }
    if let known = draft.known(condition) {
      guard known.count == 1 else { throw fault("its condition has \(known.count) elements") }
      guard let truth = known.integers?.first.map({ $0 != 0 }) ?? known.floats?.first.map({ $0 != 0 }) else {
        throw fault("its condition depends on a dynamic size; fix the sizes of the inputs with --shape")
      }
      return try converted(truth ? branches.0 : branches.1, truth ? "then" : "else")
    }
    guard draft.shape(condition).allSatisfy({ $0 == .fixed(1) }),
      draft.values[condition].elementType == .int32
    else {
      throw fault("its condition is no single truth value but \(draft.words(draft.shape(condition)))")
    }
    let scalar = try reshape(condition, to: [Extent(1)])
    let (yes, no) = try bothConverted(branches)
    var results: [ValueID] = []
    for (left, right) in zip(yes, no) { results.append(try joined(scalar, left, right)) }
    return results
  }

  /// What is wrong in one branch is noted beside what is wrong in the other.
  private mutating func bothConverted(
    _ branches: (OnnxGraph, OnnxGraph)
  ) throws(PackError) -> ([ValueID], [ValueID]) {
    let first: [ValueID]
    do throws(PackError) {
      first = try converted(branches.0, "then")
    } catch {
      _ = try converted(branches.1, "else")
      throw error
    }
    return (first, try converted(branches.1, "else"))
  }

  private mutating func converted(_ branch: OnnxGraph, _ name: String) throws(PackError) -> [ValueID] {
    let prefix = "\(node.name)/\(name)/"
    return try withConstants(of: branch) { conversion throws(PackError) in
      try conversion.convertBody(branch, prefix: prefix, inputs: [])
    }
  }

  /// An output of both branches, which must have one type and shape.
  private mutating func joined(
    _ condition: ValueID, _ left: ValueID, _ right: ValueID
  ) throws(PackError) -> ValueID {
    if left == right { return left }
    let (first, second) = (draft.values[left], draft.values[right])
    guard first.elementType == second.elementType else {
      throw fault(
        "its branches give elements of type \(first.elementType) and \(second.elementType) for one output")
    }
    guard first.shape == second.shape else {
      if first.shape.count == second.shape.count {
        for (one, other) in zip(first.shape, second.shape) where one != other {
          draft.requireEqual(draft.extent(one), draft.extent(other))
        }
      }
      throw fault(
        "its branches give shapes \(draft.words(first.shape)) and \(draft.words(second.shape)) for one output; "
          + "fix what decides between them with --shape or --value")
    }
    return try tensor(.select, condition, left, right)
  }
}
