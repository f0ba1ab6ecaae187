import SoniqCore
import SoniqGraph

/// MaxPool with its second output: where in the whole tensor each element was taken from.
extension OnnxConversion {
  mutating func maximumPool() throws(PackError) -> [ValueID] {
    let pooled = try pool(.maximum)
    guard node.outputs.count > 1, !node.outputs[1].isEmpty else { return pooled }
    return [pooled[0], try placesOfPool()]
  }

  private mutating func placesOfPool() throws(PackError) -> ValueID {
    guard let kernel = node.integers("kernel_shape"), kernel.count <= 2 else {
      throw fault("output Indices of a volume")
    }
    let attributes = try WindowAttributes(self, kernel: kernel)
    let (image, height, width, channels) = try channelsLast(real(input(0)))
    guard case .fixed(let rows) = height, case .fixed(let columns) = width,
      let plane = knownCount([rows, columns]), let item = checkedProduct(plane, channels),
      let most = draft.maximum(draft.shape(image)[0]), let last = checkedProduct(item, most),
      last <= Int(Int32.max)
    else {
      throw fault(
        "output Indices of an image \(draft.words(draft.shape(image))); fix its sizes with --shape, or its batch with --maximum"
      )
    }
    let window = try attributes.window(height: height, width: width, roundsUp: node.flag("ceil_mode"))
    var places = try placesInPlane(image, window, rows: rows, columns: columns)
    let firsts = constant(KnownTensor(integers: (0..<channels).map { Int64($0 * plane) }, shape: [channels]))
    places = try binary(.add, places, firsts)
    let batch = draft.extent(draft.shape(image)[0])
    let one = Extent(1)
    let items = try binary(
      .multiply, reshape(counted(batch), to: [batch, one, one, one]), integer(Int64(item)))
    return try channelsFirst(binary(.add, places, items), spatial: kernel.count)
  }

  /// The place of the greatest element of each window, of several the first: one tap after the other.
  private mutating func placesInPlane(
    _ image: ValueID, _ window: Window, rows: Int, columns: Int
  ) throws(PackError) -> ValueID {
    let padded = try tensor(
      .pad(
        .constant, before: [0, window.top, window.left, 0], after: [0, window.bottom, window.right, 0],
        value: -.infinity), image)
    let (lines, width) = (window.outputHeight(rows), window.outputWidth(columns))
    let isByColumn = node.integer("storage_order", default: 0) == 1
    func place(_ y: Int, _ x: Int) -> Int64 { Int64(isByColumn ? x * rows + y : y * columns + x) }
    var greatest: (value: ValueID, step: ValueID)?
    for tap in 0..<window.taps {
      let row = tap / window.width * window.dilationHeight
      let column = tap % window.width * window.dilationWidth
      let line = try slice(padded, axis: 1, begin: row, step: window.strideHeight, count: lines)
      let value = try slice(line, axis: 2, begin: column, step: window.strideWidth, count: width)
      let step = integer(place(row, column))
      guard let known = greatest else {
        greatest = (value, try expand(step, to: draft.shape(value)))
        continue
      }
      let isGreater = try binary(.greater, value, known.value)
      greatest = (
        try binary(.maximum, known.value, value), try tensor(.select, isGreater, step, known.step)
      )
    }
    guard let greatest, let count = knownCount([lines, width]) else { throw fault("the size is too large") }
    let corners = (0..<count).map { index in
      place(
        index / width * window.strideHeight - window.top, index % width * window.strideWidth - window.left)
    }
    return try binary(
      .add, greatest.step, constant(KnownTensor(integers: corners, shape: [lines, width, 1])))
  }
}
