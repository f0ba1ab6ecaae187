import SoniqGraph

extension ModelReader {
  /// A broken rule of the graph, with the place in the file of the record or element to blame.
  func located(_ error: GraphError) -> FormatError {
    var offset = 0
    var field = error.field
    if let node = error.node, places.nodes.indices.contains(node) {
      offset = places.nodes[node]
      field = "nodes[\(node)].\(field)"
    } else if let constant = error.constant, graph.constants.indices.contains(constant) {
      offset = elementPlace(error, constant: constant)
      field = "constants[\(constant)].\(field)"
    } else if field.hasPrefix("states") {
      // "states[2].shape"; without a number it is about all of them.
      let state = Int(field.dropFirst(7).prefix { $0.isNumber }) ?? 0
      offset = places.states.indices.contains(state) ? places.states[state] : 0
    } else if field.hasPrefix("inputs") || field.hasPrefix("outputs") {
      offset = places.interface
      field = "interface.\(field)"
    } else if let value = error.value, places.values.indices.contains(value) {
      offset = places.values[value]
      field = "values[\(value)].\(field)"
    } else if field.hasPrefix("symbols") {
      offset = places.symbols
    } else if field.hasPrefix("sizes") {
      offset = places.sizes
    }
    if let element = error.element { field += "[\(element)]" }
    return FormatError(.invalidModel, offset: offset, field: field, cause: error)
  }

  /// The element in its section where the section is to blame, else the record of the constant.
  private func elementPlace(_ error: GraphError, constant: Int) -> Int {
    let record = places.constants[constant]
    guard let element = error.element,
      let ordinal = graph.constants[constant].fields.firstIndex(where: { $0.name == error.field })
    else { return record }
    let first = directory.tableCount + graph.constants[..<constant].reduce(0) { $0 + $1.fields.count }
    guard directory.sections.indices.contains(first + ordinal) else { return record }
    let elementSize = graph.constants[constant].fields[ordinal].elementSize
    return directory.sections[first + ordinal].offset + element * elementSize
  }
}
