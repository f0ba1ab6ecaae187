import SoniqKernels

/// What a report says of the kernels that a matrix got: choices by level and row class.
enum ChoiceReport {
  private static func text(_ rows: Range<Int>) -> String {
    let first = RowClass.allCases[rows.lowerBound]
    let last = RowClass.allCases[rows.upperBound - 1]
    let begin = first.lowest
    guard last != .many else { return "\(begin) or more rows" }
    let end = RowClass.allCases[rows.upperBound].lowest - 1
    return begin == end ? (begin == 1 ? "1 row" : "\(begin) rows") : "\(begin)-\(end) rows"
  }

  /// Row classes in a row of which `value` is the same.
  private static func spans<Value: Equatable>(_ value: (RowClass) -> Value) -> [(
    rows: Range<Int>, value: Value
  )] {
    var spans: [(rows: Range<Int>, value: Value)] = []
    for rows in RowClass.allCases {
      if let last = spans.last, last.value == value(rows) {
        spans[spans.count - 1].rows = last.rows.lowerBound..<rows.rawValue + 1
      } else {
        spans.append((rows.rawValue..<rows.rawValue + 1, value(rows)))
      }
    }
    return spans
  }

  /// The kernels' names: for all rows, or by numbers of rows where they differ.
  static func kernels(_ levels: [[MatmulChoice]]) -> String {
    let spans = spans { rows in
      var names: [String] = []
      for level in levels where !names.contains(level[rows.rawValue].kernel.name) {
        names.append(level[rows.rawValue].kernel.name)
      }
      return names.joined(separator: " + ")
    }
    guard spans.count > 1 else { return spans[0].value }
    return spans.map { "\(text($0.rows)): \($0.value)" }.joined(separator: "; ")
  }

  /// Why other kernels were not taken, and where 8 bits would be faster.
  static func refusals(_ levels: [[MatmulChoice]]) -> [String] {
    var lines: [String] = []
    for level in levels {
      for span in spans({ level[$0.rawValue].refusals }) {
        for refusal in span.value {
          let line = span.rows.count == RowClass.allCases.count ? refusal : "\(text(span.rows)): \(refusal)"
          if !lines.contains(line) { lines.append(line) }
        }
      }
      for span in spans({ level[$0.rawValue].isSlowerThanEightBits }) where span.value {
        lines.append("\(text(span.rows)): 8 bits would be faster here")
      }
    }
    return lines
  }
}
