import SoniqGraph

extension OnnxConversion {
  /// An input as a constant: the packed model does not have it.
  /// * numbers: one for all elements, or one for each.
  /// - Throws: `data` when its shape or type does not hold the numbers.
  mutating func fixInput(
    _ info: ValueInfoProto, _ type: OnnxType, to numbers: [Double], shape given: [Int?]?
  ) throws(PackError) {
    func fail(_ message: String) -> PackError {
      PackError(.data, file: file.path, place: "input \(info.name)", message)
    }
    let stated = info.type.tensorType.shape.dim
    let hasShape = info.type.tensorType.hasShape || given != nil
    var shape: [Int] = hasShape || numbers.count == 1 ? [] : [numbers.count]
    for axis in 0..<(given?.count ?? stated.count) {
      let size = axis < stated.count && stated[axis].dimValue > 0 ? Int(stated[axis].dimValue) : nil
      if let asked = given?[axis], let size, asked != size {
        throw fail("--shape gives size \(asked) for axis \(axis), the model has \(size)")
      }
      // A list says how long it is.
      let isList = (given?.count ?? stated.count) == 1
      guard let size = given?[axis] ?? size ?? (isList ? numbers.count : nil) else {
        throw fail("its size along axis \(axis) is dynamic; fix it with --shape as well")
      }
      shape.append(size)
    }
    guard let count = knownCount(shape), count <= maximumKnownElements else {
      throw fail("shape \(shape) is too large for a constant")
    }
    guard numbers.count == 1 || numbers.count == count else {
      throw fail("--value gives \(numbers.count) numbers, shape \(shape) has \(count)")
    }
    let all = numbers.count == count ? numbers : [Double](repeating: numbers[0], count: count)
    let elements: KnownTensor.Elements
    if type.isFloat {
      elements = .floats(all.map { Float($0) })
    } else {
      let whole = all.compactMap { Int64(exactly: $0) }
      guard whole.count == count else { throw fail("--value gives numbers that are not whole") }
      elements = .integers(type == .bool ? whole.map { $0 == 0 ? 0 : 1 } : whole)
    }
    name(
      info.name, draft.constant(KnownTensor(shape: shape, type: type, elements: elements), name: info.name))
  }
}
