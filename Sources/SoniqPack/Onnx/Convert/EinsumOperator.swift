import SoniqGraph

/// Sums of products over named axes, as transpositions, products of matrices and sums.
extension OnnxConversion {
  /// A value and the names of its axes.
  private struct Term {
    var value: ValueID
    var axes: [Character]
  }

  mutating func einsum() throws(PackError) -> [ValueID] {
    guard let equation = node.text("equation") else { throw fault("it has no equation") }
    let text = equation.filter { $0 != " " }
    let sides = text.components(separatedBy: "->")
    let names = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard sides.count <= 2, names.count == inputCount, inputCount > 0 else {
      throw fault("the equation \"\(equation)\" is not of \(inputCount) operands")
    }
    var terms: [Term] = []
    var hidden = 0
    for (index, name) in names.enumerated() {
      let value = try real(input(index))
      let rank = name.isEmpty ? 0 : onnxShape(value).count
      let axes = try Self.axes(name, rank: rank, hidden: &hidden, fault)
      terms.append(try withoutRepeats(Term(value: value, axes: axes)))
    }
    let all = terms.flatMap(\.axes)
    let once = Set(all).filter { axis in axis.isLetter && all.count { $0 == axis } == 1 }.sorted()
    var unused = hidden
    let target =
      sides.count == 2
      ? try Self.axes(sides[1], rank: nil, hidden: &unused, fault) : Self.hiddenAxes(hidden) + once
    guard Set(target).count == target.count, target.allSatisfy({ all.contains($0) }) else {
      throw fault("the equation \"\(equation)\" has a result that its operands do not give")
    }
    var result = terms[0]
    for (index, term) in terms.enumerated().dropFirst() {
      let later = terms[(index + 1)...].flatMap(\.axes)
      result = try product(result, term, kept: Set(target + later))
    }
    result = try summed(result, kept: Set(target))
    return [try transpose(result.value, target.compactMap { result.axes.firstIndex(of: $0) })]
  }

  /// "..." stands for axes that are named by numbers, counted from the last.
  private static func hiddenAxes(_ count: Int) -> [Character] {
    (0..<count).reversed().compactMap { UnicodeScalar(0xE000 + $0).map(Character.init) }
  }

  /// * rank: nil for the result, in which "..." is as many axes as in the operand that has most.
  private static func axes(
    _ name: String, rank: Int?, hidden: inout Int, _ fault: (String) -> PackError
  ) throws(PackError) -> [Character] {
    let parts = name.components(separatedBy: "...")
    let letters = parts.joined()
    guard parts.count <= 2, letters.allSatisfy({ $0.isASCII && $0.isLetter }) else {
      throw fault("axes \"\(name)\"")
    }
    let count = rank.map { $0 - letters.count } ?? hidden
    guard count >= 0, parts.count == 2 || rank == nil || count == 0 else {
      throw fault("axes \"\(name)\" of \(rank ?? 0) dimensions")
    }
    hidden = max(hidden, parts.count == 2 ? count : 0)
    return Array(parts[0]) + (parts.count == 2 ? hiddenAxes(count) + Array(parts[1]) : [])
  }

  /// The diagonal of axes of one name.
  private mutating func withoutRepeats(_ term: Term) throws(PackError) -> Term {
    var term = term
    while let second = term.axes.indices.first(where: { term.axes[..<$0].contains(term.axes[$0]) }) {
      let first = term.axes.firstIndex(of: term.axes[second]) ?? 0
      let shape = onnxShape(term.value)
      guard case .fixed(let size) = shape[first], shape[second] == shape[first], size <= 4096 else {
        throw fault("a diagonal of \(draft.words(shape))")
      }
      var maskShape = [Int](repeating: 1, count: shape.count)
      (maskShape[first], maskShape[second]) = (size, size)
      let mask = (0..<size * size).map { Int64($0 / size == $0 % size ? 1 : 0) }
      let isKept = constant(KnownTensor(shape: maskShape, type: .bool, elements: .integers(mask)))
      let diagonal = try tensor(.select, isKept, term.value, scalar(0))
      term.value = try reduce(.sum, diagonal, axes: [second], keeps: false)
      term.axes.remove(at: second)
    }
    return term
  }

  private mutating func summed(_ term: Term, kept: Set<Character>) throws(PackError) -> Term {
    let axes = term.axes.indices.filter { !kept.contains(term.axes[$0]) }
    guard !axes.isEmpty else { return term }
    return Term(
      value: try reduce(.sum, term.value, axes: axes, keeps: false),
      axes: term.axes.filter { kept.contains($0) })
  }

  /// * kept: axes that the result or later terms have.
  private mutating func product(
    _ left: Term, _ right: Term, kept: Set<Character>
  ) throws(PackError) -> Term {
    let first = try summed(left, kept: kept.union(right.axes))
    let second = try summed(right, kept: kept.union(left.axes))
    let shared = first.axes.filter { second.axes.contains($0) }
    let (batch, inner) = (shared.filter { kept.contains($0) }, shared.filter { !kept.contains($0) })
    let (rows, columns) = (
      first.axes.filter { !shared.contains($0) }, second.axes.filter { !shared.contains($0) }
    )
    let (leftShape, rightShape) = (onnxShape(first.value), onnxShape(second.value))
    var sizes: [Character: Dimension] = [:]
    for (axes, shape) in [(first.axes, leftShape), (second.axes, rightShape)] {
      for (axis, size) in zip(axes, shape) where sizes[axis] ?? .fixed(1) == .fixed(1) { sizes[axis] = size }
    }
    func extents(_ axes: [Character]) -> [Extent] { axes.map { draft.extent(sizes[$0] ?? .fixed(1)) } }
    func joined(_ axes: [Character]) throws(PackError) -> Extent {
      guard let product = draft.product(axes.map { sizes[$0] ?? .fixed(1) }) else {
        throw fault("the size is too large")
      }
      return product
    }
    let (m, k, n) = (try joined(rows), try joined(inner), try joined(columns))
    let a = try ordered(first, batch + rows + inner, sizes)
    let b = try ordered(second, batch + inner + columns, sizes)
    let axes = batch + rows + columns
    let matrix = try reshape(a, to: extents(batch) + [m, k])
    let other = try reshape(b, to: extents(batch) + [k, n])
    let result = try multiplied(matrix, other)
    return Term(value: try reshape(result, to: extents(axes)), axes: axes)
  }

  private mutating func ordered(
    _ term: Term, _ axes: [Character], _ sizes: [Character: Dimension]
  ) throws(PackError) -> ValueID {
    let turned = try transpose(term.value, axes.compactMap { term.axes.firstIndex(of: $0) })
    // An axis of 1 meets one that is longer.
    return try expand(turned, to: axes.map { sizes[$0] ?? .fixed(1) })
  }

  /// With constants on the right the product is a layer.
  private mutating func multiplied(_ left: ValueID, _ right: ValueID) throws(PackError) -> ValueID {
    if let known = draft.known(right), known.shape.count == 2, draft.known(left) == nil {
      return try linear(left, known.transposed([1, 0]), bias: nil)
    }
    return try tensor(.matmul(transposesRight: false), left, right)
  }
}

extension String {
  /// As Foundation's.
  fileprivate func components(separatedBy mark: String) -> [String] {
    split(separator: mark, omittingEmptySubsequences: false).map(String.init)
  }
}
