import CKernelABI
import CSIMD

/// Writes `rows` x `panels` outputs as the codes of `snq_matmul_args.sink`: the floats never leave the registers.
@inline(never)
func finishCodes(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  let isPlain = isPlain(level)
  var done = 0
  while done < panels {
    let first = (panel &+ done) &* 16
    let place = CodePlace(
      source: sums + done, stride: panels, parameters: RowParameters(behind: sums).first(row), rows: rows,
      row: row, first: first, count: Int(level.pointee.outputs) &- first)
    switch (panels, isPlain) {
    case (1, true): finishCodes(1, place, level, .fixedPlain)
    case (1, false): finishCodes(1, place, level, .fixed)
    case (2, true): finishCodes(2, place, level, .fixedPlain)
    case (2, false): finishCodes(2, place, level, .fixed)
    case (_, true): finishCodes(4, place, level, .fixedPlain)
    case (_, false): finishCodes(4, place, level, .fixed)
    }
    done &+= 4
  }
}

/// Up to four panels of a tile, whose codes are one vector.
private struct CodePlace {
  /// Sums of the first row and panel, and from row to row.
  let source: UnsafeMutablePointer<__m512i>
  let stride: Int
  let parameters: UnsafePointer<MatmulRow>
  let rows: Int
  let row: Int
  /// The first output, and how many follow.
  let first: Int
  let count: Int
}

/// * panels: 1, 2 or 4, a literal.
@inline(__always)
private func finishCodes(
  _ panels: Int, _ place: CodePlace, _ level: UnsafePointer<snq_matmul_args>, _ kind: DotKind
) {
  guard let codes = level.pointee.sink.codes else { return }
  let codeStride = level.pointee.sink.codeStride
  let a = CodePanel(level, place.first, place.parameters)
  let b = panels > 1 ? CodePanel(level, place.first &+ 16, place.parameters) : a
  let c = panels > 2 ? CodePanel(level, place.first &+ 32, place.parameters) : a
  let d = panels > 2 ? CodePanel(level, place.first &+ 48, place.parameters) : b
  let inverse = _mm512_set1_ps(level.pointee.sink.inverse)
  let high = _mm512_set1_ps(level.pointee.sink.high)
  let zero = _mm512_set1_epi16(Int16(truncatingIfNeeded: level.pointee.sink.zero))
  let isWhole = place.count >= 16 &* panels
  let mask: __mmask64 = isWhole ? 0 : (1 &<< UInt64(truncatingIfNeeded: place.count)) &- 1
  var target = codes + (place.row &* codeStride &+ place.first)
  var source = place.source
  for r in 0..<place.rows {
    let row = place.parameters + r
    let first = a.code(source[0], row, kind, inverse, high)
    let second = panels > 1 ? b.code(source[1], row, kind, inverse, high) : first
    let third = panels > 2 ? c.code(source[2], row, kind, inverse, high) : first
    let fourth = panels > 2 ? d.code(source[3], row, kind, inverse, high) : second
    let bytes = snq_512_pack_codes(first, second, third, fourth, zero)
    if !isWhole {
      _mm512_mask_storeu_epi8(target, mask, bytes)
    } else if panels > 2 {
      _mm512_storeu_si512(target, bytes)
    } else if panels > 1 {
      snq_store_256(target, _mm512_castsi512_si256(bytes))
    } else {
      snq_store_128(target, _mm512_castsi512_si128(bytes))
    }
    target += codeStride
    source += place.stride
  }
}

/// One panel with what its outputs start from.
private struct CodePanel {
  let panel: MatmulPanel
  let start: __m512

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ first: Int, _ row: UnsafePointer<MatmulRow>) {
    panel = MatmulPanel(level, first, row)
    start = level.pointee.bias.map { _mm512_loadu_ps($0 + first) } ?? _mm512_setzero_ps()
  }

  /// The rounded integer of a code, too large nowhere; this order of the operands lets a NaN pass, which packing makes
  /// code 0.
  @inline(__always)
  func code(
    _ sum: __m512i, _ row: UnsafePointer<MatmulRow>, _ kind: DotKind, _ inverse: __m512, _ high: __m512
  ) -> __m512i {
    let y = panel.added(sum, row, to: start, kind)
    return _mm512_cvtps_epi32(_mm512_min_ps(high, _mm512_mul_ps(y, inverse)))
  }
}
