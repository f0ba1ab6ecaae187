import SoniqCore
import SoniqGraph

/// States as bytes that a host keeps. All numbers little-endian:
///
///     0  8 bytes  "SQSTATES"
///     8  u32      1, the version of this layout
///     12 u32      states
///     16 u64      bytes in all
///     24 u64      identity of the model's file
///     32 u64      XXH64 of all bytes from 48 on
///     40 u64      XXH64 of bytes 0 to 39
///     48          for each state its dimensions, u64 each (0 before the first run), of a growing one its length
///                 for its capacity; then the elements of all states, row-major and without gaps; of codes the bytes of
///                 each head of each position, and behind them the steps, float32 [batch, length, heads]
private enum CopyLayout {
  static let magic = UInt64(littleEndian: 0x5345_5441_5453_5153)
  static let version: UInt32 = 1
  static let headerSize = 48
}

extension SessionStates {
  /// Bytes that `copy` writes now.
  package var copyByteCount: Int {
    list.indices.reduce(CopyLayout.headerSize) {
      $0 + 8 * list[$1].shape.count + byteCount($1)
    }
  }

  /// Writes all states.
  ///
  /// - Parameters:
  ///   - target: of `copyByteCount` bytes at least, at any address.
  ///   - identity: of the model.
  /// - Throws: `invalidArgument` when it is smaller.
  package func copy(to target: UnsafeMutableRawBufferPointer, identity: UInt64) throws(RuntimeError) {
    let byteCount = copyByteCount
    guard target.count >= byteCount, let start = target.baseAddress else {
      throw RuntimeError(.invalidArgument, subject: "capacity", actual: target.count, expected: byteCount)
    }
    var place = start + CopyLayout.headerSize
    for (index, state) in list.enumerated() {
      for position in state.shape.indices {
        place.storeBytes(of: UInt64(size(index, position)).littleEndian, as: UInt64.self)
        place += 8
      }
    }
    for index in list.indices {
      let isZero = storages[index].isZero
      forEachRun(index) { run, byteCount in
        if isZero {
          place.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        } else {
          place.copyMemory(from: run, byteCount: byteCount)
        }
        place += byteCount
      }
    }
    start.storeBytes(of: CopyLayout.magic.littleEndian, as: UInt64.self)
    (start + 8).storeBytes(of: CopyLayout.version.littleEndian, as: UInt32.self)
    (start + 12).storeBytes(of: UInt32(list.count).littleEndian, as: UInt32.self)
    (start + 16).storeBytes(of: UInt64(byteCount).littleEndian, as: UInt64.self)
    (start + 24).storeBytes(of: identity.littleEndian, as: UInt64.self)
    let whole = UnsafeRawBufferPointer(start: start, count: byteCount)
    let data = XXHash64.hash(UnsafeRawBufferPointer(rebasing: whole[CopyLayout.headerSize...]))
    (start + 32).storeBytes(of: data.littleEndian, as: UInt64.self)
    let head = XXHash64.hash(UnsafeRawBufferPointer(rebasing: whole[..<40]))
    (start + 40).storeBytes(of: head.littleEndian, as: UInt64.self)
  }

  /// The memory of a state in the order of its elements, in runs without a gap.
  private func forEachRun(_ index: StateID, _ body: (UnsafeMutableRawPointer, Int) -> Void) {
    let storage = storages[index]
    guard list[index].isGrowing else {
      let bytes = byteCount(index)
      if bytes > 0 { body(storage.base, bytes) }
      return
    }
    let bytes = storage.length * storage.rowBytes
    guard bytes > 0 else { return }
    if storage.form.isCodes { return forEachRun(ofCodes: storage, entries: size(index, 0), body) }
    for entry in 0..<size(index, 0) { body(storage.row(entry, 0), bytes) }
  }

  /// The same of codes, whose memory has other orders: those of each position and head, then all steps.
  private func forEachRun(
    ofCodes storage: StateStorage, entries: Int, _ body: (UnsafeMutableRawPointer, Int) -> Void
  ) {
    func forEachHead(_ body: (_ entry: Int, _ position: Int, _ head: Int) -> Void) {
      for entry in 0..<entries {
        for position in 0..<storage.length {
          for head in 0..<storage.heads { body(entry, position, head) }
        }
      }
    }
    forEachHead { entry, position, head in
      let (plane, bytes) = (storage.plane(entry, head), storage.headBytes)
      guard case .keyCodes = storage.form else { return body(plane + position * bytes, bytes) }
      // Blocks of sixteen positions, two bytes each.
      let first = plane + position / 16 * 16 * bytes + position % 16 * 2
      for block in 0..<bytes / 2 { body(first + 32 * block, 2) }
    }
    forEachHead { entry, position, head in
      if let step = storage.step(entry, head, position) { body(UnsafeMutableRawPointer(step), 4) }
    }
  }

  /// Makes the first positions of others these; all are growing ones, of the same graph and batch, and there is room.
  func take(_ source: SessionStates, length: Int) {
    for symbol in maximums.indices { boundSizes[symbol] = length == 0 ? 0 : source.boundSizes[symbol] }
    for index in list.indices {
      storages[index].length = length
      for entry in 0..<size(index, 0) where length > 0 {
        storages[index].take(source.storages[index], entry: entry, length: length)
      }
    }
  }

  /// Takes the states from what `copy` has written, in this session or another of the same model.
  ///
  /// - Throws: `invalidStates`, `statesOfAnotherModel`, `capacityExceeded`. The states are then as before.
  package func restore(from source: UnsafeRawBufferPointer, identity: UInt64) throws(RuntimeError) {
    guard let start = source.baseAddress else { throw Self.refusal("there are none") }
    try checkHeader(source, identity: identity)
    let sizes = try checkedSizes(source)
    for symbol in maximums.indices { boundSizes[symbol] = 0 }
    var place = CopyLayout.headerSize
    for (index, state) in list.enumerated() {
      storages[index].length = state.isGrowing ? sizes[index][1] : 0
      for (position, dimension) in state.shape.enumerated() where !(state.isGrowing && position == 1) {
        if case .symbol(let symbol) = dimension { boundSizes[symbol] = sizes[index][position] }
      }
      place += 8 * state.shape.count
    }
    for index in list.indices {
      // Before the first run there were no sizes.
      storages[index].isZero = !list[index].isGrowing && byteCount(index) == 0
      forEachRun(index) { run, byteCount in
        run.copyMemory(from: start + place, byteCount: byteCount)
        place += byteCount
      }
    }
  }

  private static func refusal(_ why: String) -> RuntimeError { RuntimeError(.invalidStates, subject: why) }

  private func checkHeader(_ source: UnsafeRawBufferPointer, identity: UInt64) throws(RuntimeError) {
    func word(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: source.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    func half(_ offset: Int) -> UInt32 {
      UInt32(littleEndian: source.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    guard source.count >= CopyLayout.headerSize, word(0) == CopyLayout.magic else {
      throw Self.refusal("they do not begin as states do")
    }
    guard half(8) == CopyLayout.version else { throw Self.refusal("they are of version \(half(8))") }
    guard XXHash64.hash(UnsafeRawBufferPointer(rebasing: source[..<40])) == word(40) else {
      throw Self.refusal("their header is damaged")
    }
    guard word(24) == identity else { throw RuntimeError(.statesOfAnotherModel) }
    guard word(16) == UInt64(source.count) else {
      throw Self.refusal("there are \(source.count) bytes of \(word(16))")
    }
    guard half(12) == UInt32(list.count) else { throw Self.refusal("there are \(half(12)) states") }
    let data = UnsafeRawBufferPointer(rebasing: source[CopyLayout.headerSize...])
    guard XXHash64.hash(data) == word(32) else { throw Self.refusal("they are damaged") }
  }

  /// By state the dimensions, which fit the model and this session.
  private func checkedSizes(_ source: UnsafeRawBufferPointer) throws(RuntimeError) -> [[Int]] {
    var place = CopyLayout.headerSize
    var total = place
    var bound = [Int?](repeating: nil, count: maximums.count)
    var sizes: [[Int]] = []
    for (index, state) in list.enumerated() {
      var dimensions: [Int] = []
      var bytes = state.isGrowing ? storages[index].copiedRowBytes : state.elementType.byteCount
      for (position, dimension) in state.shape.enumerated() {
        guard place + 8 <= source.count else { throw Self.refusal("they end early") }
        let number = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        place += 8
        guard let size = Int(exactly: number), size <= maximumDimension else {
          throw Self.refusal("a dimension is \(number)")
        }
        try check(size, index, position, dimension, &bound)
        // Within what the layout of this session holds.
        if !state.isGrowing || position < 2 { bytes *= size }
        dimensions.append(size)
      }
      // Positions are of some entry.
      guard !state.isGrowing || dimensions[0] > 0 || dimensions[1] == 0 else {
        throw Self.refusal("state \"\(state.name)\" has positions of no entry")
      }
      total += 8 * dimensions.count + bytes
      sizes.append(dimensions)
    }
    guard total == source.count else { throw Self.refusal("their sizes are not those of their bytes") }
    return sizes
  }

  private func check(
    _ size: Int, _ index: StateID, _ position: Int, _ dimension: Dimension, _ bound: inout [Int?]
  ) throws(RuntimeError) {
    let state = list[index]
    if state.isGrowing && position == 1 {
      guard size <= storages[index].capacity else {
        throw RuntimeError(
          .capacityExceeded, subject: state.name, position: 0, actual: size,
          expected: storages[index].capacity)
      }
      return
    }
    switch dimension {
    case .fixed(let fixed):
      guard size == fixed else { throw Self.refusal("dimension \(position) of \"\(state.name)\" is \(size)") }
    case .symbol(let symbol):
      guard size <= maximums[symbol] else {
        throw RuntimeError(
          .dimensionTooLarge, subject: state.name, position: position, actual: size,
          expected: maximums[symbol])
      }
      guard bound[symbol] == nil || bound[symbol] == size else {
        throw Self.refusal("dimension \(position) of \"\(state.name)\" is \(size)")
      }
      bound[symbol] = size
    }
  }
}

extension StateStorage {
  /// The first positions of an entry.
  fileprivate func take(_ source: StateStorage, entry: Int, length: Int) {
    guard form.isCodes else {
      return row(entry, 0).copyMemory(from: source.row(entry, 0), byteCount: length * rowBytes)
    }
    for head in 0..<heads {
      // Whole tiles of keys.
      let bytes = StateLayout.room(length) * headBytes
      plane(entry, head).copyMemory(from: source.plane(entry, head), byteCount: bytes)
      guard let steps = step(entry, head, 0), let others = source.step(entry, head, 0) else { return }
      steps.update(from: others, count: length)
    }
  }
}
