import SoniqCore
import SoniqGraph
import SoniqKernels

/// The kernels of one level of a matrix, and what they want.
struct LevelPlan {
  let level: MatrixLevel
  /// By row class.
  let choices: [MatmulChoice]
  /// The copy of the weights that some of them read.
  let copy: WidenedCodes?

  /// - Parameters:
  ///   - level: of a valid matrix.
  ///   - panels: of the matrix.
  ///   - choices: by row class.
  init(_ level: MatrixLevel, panels: Int, choices: [MatmulChoice]) {
    self.level = level
    self.choices = choices
    copy = choices.compactMap(\.copyBits).first.map { bits in
      WidenedCodes(StoredLevel(level, panels: panels), bits: bits)
    }
  }

  /// The most bytes that any of the kernels wants a row of codes prepared to; 0 when none wants that.
  var preparedRowBytes: Int { choices.map { $0.preparedStride(level) }.max() ?? 0 }
  /// The most scratch that any of them uses.
  var scratchBytes: Int { choices.map { $0.scratchBytes(level) }.max() ?? 0 }
}

extension MatmulChoice {
  /// Bytes between the prepared rows of codes; 0 where the kernel takes codes.
  func preparedStride(_ level: MatrixLevel) -> Int {
    kernel.form.rowStride(
      paddedChannels: level.storedChannels, activationBits: level.level.activation.bits)
  }

  /// Bytes of scratch that the kernel uses.
  func scratchBytes(_ level: MatrixLevel) -> Int {
    kernel.scratchBytes(paddedChannels: level.storedChannels)
  }
}

/// How a linear layer runs: decided once, while it is scheduled, and read by all that size, emit or report its steps.
struct LayerPlan {
  let matrix: PackedMatrix
  private(set) var levels: [LevelPlan]
  /// The step before makes the layer's codes, in place of floats.
  private(set) var readsCodes = false

  /// - Parameters:
  ///   - matrix: of a valid graph.
  ///   - choices: by level and row class.
  init(_ matrix: PackedMatrix, choices: [[MatmulChoice]]) {
    self.matrix = matrix
    levels = zip(matrix.levels, choices).map { LevelPlan($0, panels: matrix.panelCount, choices: $1) }
  }

  /// By level and row class.
  var choices: [[MatmulChoice]] { levels.map(\.choices) }
  /// Of all levels together.
  var scratchBytes: Int { levels.reduce(0) { $0 + $1.scratchBytes } }

  /// Kernels can write the codes of the next layer in place of floats.
  var canWriteCodes: Bool { matrix.hasOneScale && manyRows.kernel.traits.contains(.writesCodes) }

  /// Kernels read the sums of a row's codes, or the parameters of each row.
  var needsRowParameters: Bool {
    guard readsCodes, let level = matrix.levels.first else { return true }
    return level.level.weight.storedConstant != 0 || level.offsets != nil
      || !levels[0].choices.allSatisfy { $0.kernel.traits.contains(.withoutCodeSums) }
  }

  /// The functions that do both levels in one call, by row class; nil where two calls are needed.
  var fused: [MatmulFunction?] {
    RowClass.allCases.map { rows in
      guard levels.count == 2 else { return nil }
      return levels[0].choices[rows.rawValue].kernel.fusing(levels[1].choices[rows.rawValue].kernel)
    }
  }

  var manyRows: MatmulChoice { levels[0].choices[RowClass.many.rawValue] }

  /// Codes are read from the step before, or written for the next one: one kernel serves any number of rows. It can do
  /// both, and needs no sums of codes that others need.
  mutating func passCodes(reading: Bool) {
    readsCodes = readsCodes || reading
    let choice = manyRows
    guard choice.kernel.traits.contains(.writesCodes) else { return }
    levels = levels.map { level in
      LevelPlan(level.level, panels: matrix.panelCount, choices: level.choices.map { _ in choice })
    }
  }
}

extension PackedMatrix {
  /// One level whose rows have one scale and no offsets: what a kernel that writes codes takes.
  var hasOneScale: Bool {
    guard levels.count == 1, levels[0].offsets == nil,
      case .fixed = levels[0].level.activation.scaling
    else { return false }
    return true
  }
}
