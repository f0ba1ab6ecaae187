/// A tensor operation made ready to run: shapes and numbers, no memory of its own. Its work is a row of items of which
/// any range may be done by any lane; no split changes a bit of the result.
package protocol TensorOperator: BitwiseCopyable {
  /// `{ TheType.answer($0, $1) }`: a C function cannot be made of a generic type.
  static var entry: TensorEntry { get }
  /// Items of work in a run with these sizes of the symbols.
  func items(_ sizes: UnsafePointer<Int>) -> Int
  /// About how many elements are read or multiplied for an item.
  func cost(_ sizes: UnsafePointer<Int>) -> Int
  /// Multiply-accumulates of an item.
  func multiplyAccumulates(_ sizes: UnsafePointer<Int>) -> Int
  /// Does some items.
  func run(_ frame: OperatorFrame, _ range: Range<Int>)
}

extension TensorOperator {
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { 1 }
  package func multiplyAccumulates(_ sizes: UnsafePointer<Int>) -> Int { 0 }

  static func answer(_ context: UnsafeRawPointer, _ question: UnsafeMutableRawPointer) {
    let work = context.assumingMemoryBound(to: Self.self)
    switch question.assumingMemoryBound(to: TensorQuestion.self).pointee {
    case .extent(let sizes, let extent):
      extent.pointee = TensorExtent(
        items: work.pointee.items(sizes), cost: work.pointee.cost(sizes),
        multiplyAccumulates: work.pointee.multiplyAccumulates(sizes))
    case .run(let frame, let range): work.pointee.run(frame, range)
    }
  }
}

/// Takes an operator and a `TensorQuestion`.
package typealias TensorEntry = @convention(c) (UnsafeRawPointer, UnsafeMutableRawPointer) -> Void

enum TensorQuestion {
  case extent(UnsafePointer<Int>, UnsafeMutablePointer<TensorExtent>)
  case run(OperatorFrame, Range<Int>)
}

/// How much there is to do in a run.
package struct TensorExtent: BitwiseCopyable {
  package var items = 0
  package var cost = 0
  package var multiplyAccumulates = 0
}

/// An operator of any kind, at a place where it outlives this.
package struct StoredOperator: BitwiseCopyable {
  private let entry: TensorEntry
  private let context: UnsafeRawPointer

  package init<Work: TensorOperator>(_ work: UnsafePointer<Work>) {
    entry = Work.entry
    context = UnsafeRawPointer(work)
  }

  package func extent(_ sizes: UnsafePointer<Int>) -> TensorExtent {
    var extent = TensorExtent()
    withUnsafeMutablePointer(to: &extent) { extent in
      var question = TensorQuestion.extent(sizes, extent)
      entry(context, &question)
    }
    return extent
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    var question = TensorQuestion.run(frame, range)
    entry(context, &question)
  }
}
