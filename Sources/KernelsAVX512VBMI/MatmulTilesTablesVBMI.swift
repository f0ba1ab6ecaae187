import CKernelABI
import CSIMD

// One function a tile shape, because the optimiser stops inlining when a caller grows.

/// How many tables stand for 4 codes. A type, so that every shape is compiled for both.
protocol TableForm { static var halves: Int { get } }

/// One table: codes of at most 4 bits.
enum WholeTables: TableForm {
  @inline(__always) static var halves: Int { 1 }
}

/// Two: the lower and the upper 4 bits of a code.
enum HalfTables: TableForm {
  @inline(__always) static var halves: Int { 2 }
}

/// Channels whose tables for `rows` rows take half of the L1 cache.
@inline(__always)
private func tableChannels(_ rows: Int, _ halves: Int) -> Int { (4096 / (rows &* halves)) & ~31 }

/// All passes over a tile of `rows` x `panels`, done in parts of `height` rows and `width` panels: tables and the
/// indices of two nibbles take the registers of two panels. The parts share the tables of as many channels as
/// half of the L1 cache holds.
@inline(__always)
private func sumByTables(
  _ rows: Int, _ panels: Int, _ height: Int, _ width: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int,
  _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>, halves: Int,
  _ run: (UnsafePointer<TablePass>) -> Void
) {
  guard let source = TileSource(level, row, panel) else { return }
  let bits = Int(level.pointee.weightBits)
  let planeStride = Int(level.pointee.planeStride)
  var pass = TablePass(
    plane: source.weights, panelStride: source.panelStride, tables: source.codes,
    tableStride: source.codeStride, begin: 0, end: 0, weight: _mm512_setzero_si512(), sums: sums,
    stride: panels, isFirst: true)
  // All segments in one pass when their tables fit together; else one segment, or a part of it, at a time.
  let most = tableChannels(rows, halves)
  let isWhole = source.segments > 1 && source.channels &* source.segments <= most
  pass.segments = isWhole ? source.segments : 1
  pass.planeStep = source.channels &* 2
  pass.tableStep = source.segmentStride
  let segmentEnd = isWhole ? 1 : source.segments
  var segment = 0
  while segment < segmentEnd {
    pass.end = min(source.channels, pass.begin &+ most)
    var part = 0
    while part < rows / height &* (panels / width) {
      let (firstRow, firstPanel) = (part / (panels / width) &* height, part % (panels / width) &* width)
      pass.sums = sums + (firstRow &* panels &+ firstPanel)
      pass.tables = source.codes + (firstRow &* source.codeStride &+ segment &* source.segmentStride)
      var plane = source.weights + (firstPanel &* source.panelStride &+ segment &* pass.planeStep)
      for index in 0..<bits {
        pass.isFirst = pass.begin == 0 && index == 0 && segment == 0
        pass.plane = plane
        pass.weight = _mm512_set1_epi8(Int8(truncatingIfNeeded: 1 &<< (bits &- 1 &- index)))
        run(&pass)
        plane += planeStride
      }
      part &+= 1
    }
    pass.begin = pass.end
    if pass.begin >= source.channels {
      pass.begin = 0
      segment &+= 1
    }
  }
}

@inline(never)
private func pass6x2<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 6, 2, halves: Form.halves)
}

@inline(never)
private func pass4x2<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 4, 2, halves: Form.halves)
}

@inline(never)
private func pass2x4<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 2, 4, halves: Form.halves)
}

@inline(never)
private func pass1x4<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 1, 4, halves: Form.halves)
}

@inline(never)
private func pass2x2<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 2, 2, halves: Form.halves)
}

@inline(never)
private func pass1x2<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 1, 2, halves: Form.halves)
}

@inline(never)
private func pass6x1<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 6, 1, halves: Form.halves)
}

@inline(never)
private func pass2x1<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 2, 1, halves: Form.halves)
}

@inline(never)
private func pass1x1<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.run(pass, 1, 1, halves: Form.halves)
}

@inline(never)
private func pass1x8<Form: TableForm>(_: Form.Type, _ pass: UnsafePointer<TablePass>) {
  TablePass.runRow(pass, halves: Form.halves)
}

@inline(never)
func sumTables6x4<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(6, 4, 6, 2, level, row, panel, sums, halves: Form.halves) { pass6x2(form, $0) }
}

@inline(never)
func sumTables4x4<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(4, 4, 4, 2, level, row, panel, sums, halves: Form.halves) { pass4x2(form, $0) }
}

@inline(never)
func sumTables2x4<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(2, 4, 2, 4, level, row, panel, sums, halves: Form.halves) { pass2x4(form, $0) }
}

@inline(never)
func sumTables1x4<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  var group = 0
  while groups &- group >= 2 {
    let (first, start) = (panel &+ 4 &* group, sums + 4 &* group)
    sumByTables(1, 8, 1, 8, level, row, first, start, halves: Form.halves) { pass1x8(form, $0) }
    group &+= 2
  }
  if group < groups {
    let (first, start) = (panel &+ 4 &* group, sums + 4 &* group)
    sumByTables(1, 4, 1, 4, level, row, first, start, halves: Form.halves) { pass1x4(form, $0) }
  }
}

@inline(never)
func sumTables6x2<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(6, 2, 6, 2, level, row, panel, sums, halves: Form.halves) { pass6x2(form, $0) }
}

@inline(never)
func sumTables2x2<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(2, 2, 2, 2, level, row, panel, sums, halves: Form.halves) { pass2x2(form, $0) }
}

@inline(never)
func sumTables1x2<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(1, 2, 1, 2, level, row, panel, sums, halves: Form.halves) { pass1x2(form, $0) }
}

@inline(never)
func sumTables6x1<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(6, 1, 6, 1, level, row, panel, sums, halves: Form.halves) { pass6x1(form, $0) }
}

@inline(never)
func sumTables2x1<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(2, 1, 2, 1, level, row, panel, sums, halves: Form.halves) { pass2x1(form, $0) }
}

@inline(never)
func sumTables1x1<Form: TableForm>(
  _ form: Form.Type,
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumByTables(1, 1, 1, 1, level, row, panel, sums, halves: Form.halves) { pass1x1(form, $0) }
}
