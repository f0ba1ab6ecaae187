package import SoniqGraph

/// A row of constants that floats meet, one row after the other.
package struct RowConstant: BitwiseCopyable {
  let function: BinaryFunction
  /// The constant is the function's first operand.
  let isFirst: Bool
  /// Elements of `numbers`: some whole rows; 0 for a single number.
  let period: Int
  let numbers: UnsafePointer<Float>

  /// * numbers: `period` floats, or one.
  package init(
    _ function: BinaryFunction, isFirst: Bool, _ numbers: UnsafePointer<Float>, period: Int
  ) {
    (self.function, self.isFirst, self.numbers, self.period) = (function, isFirst, numbers, period)
  }

  /// As often as makes short rows worth a loop: of a multiple of its 8 lanes.
  package static func repetitions(_ channels: Int) -> Int {
    channels >= 64 ? 1 : 8 * max(1, 32 / channels)
  }

  /// output = function(x, constant), or with the constant first; from the beginning of a row. The output may be x.
  package func run(_ x: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ count: Int) {
    let step = period == 0 ? 0 : 1
    let length = period == 0 ? count : period
    var position = 0
    while position < count {
      let part = min(length, count &- position)
      if isFirst {
        floatRun(function, output + position, numbers, step, x + position, 1, part)
      } else {
        floatRun(function, output + position, x + position, 1, numbers, step, part)
      }
      position &+= part
    }
  }
}
