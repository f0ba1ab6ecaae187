import SoniqOperators

/// A tensor operation: alone in its segment, its items shared by the lanes.
struct TensorStep: BitwiseCopyable {
  var work: TensorOperator
  var inputs: UnsafePointer<StorageID>
  var inputCount: Int
  var output: StorageID

  /// Items below this many elements are not worth a unit of their own.
  private static let elementsWorthUnit = 16384

  /// Items in all and those of a unit: about four units for each lane.
  func split(_ frame: borrowing RunFrame, lanes: Int) -> (items: Int, unitSize: Int) {
    let items = work.items(frame.sizes)
    guard lanes > 1 else { return (items, items) }
    let least = max(1, Self.elementsWorthUnit / max(1, work.cost(frame.sizes)))
    let unit = max(least, items / (4 * lanes) + 1)
    // Whole cache lines, where an item is an element.
    return (items, least >= 16 ? (unit + 15) / 16 * 16 : unit)
  }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ items: Range<Int>) {
    let (storages, sizes) = (frame.storages, UnsafePointer(frame.sizes))
    let scratch = frame.scratch + window.lane * frame.scratchStride
    let fault = frame.faults + window.lane
    // A constant size of at most 1 KiB stays on the stack.
    withUnsafeTemporaryAllocation(of: UnsafeRawPointer.self, capacity: 64) { addresses in
      guard let start = addresses.baseAddress else { return }
      for input in 0..<min(inputCount, 64) {
        (start + input).initialize(to: UnsafeRawPointer(storages[inputs[input]].base))
      }
      let call = OperatorFrame(
        sizes: sizes, inputs: UnsafePointer(start), output: storages[output].base, scratch: scratch,
        fault: fault)
      work.run(call, items)
    }
  }
}
