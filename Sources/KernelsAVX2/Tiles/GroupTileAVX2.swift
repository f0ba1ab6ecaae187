import CKernelABI
import CSIMD

// All groups of a block for one tile of up to 6 rows x 1 panel, in one function: a call for each of them made AVX2 and
// AVX-VNNI slower by a tenth. How they are multiplied, says the module.

/// The numbers of a panel and some rows with which the products of a group end; rows count from the first of a tile.
protocol GroupNumbers {
  var hasOffsets: Bool { get }
  func scales(_ group: Int) -> GroupFloats
  func offsets(_ group: Int) -> GroupFloats
  /// What the constant of the weights adds: in all lanes.
  func start(_ row: Int, _ group: Int) -> Int32
  /// Q.
  func sum(_ row: Int, _ group: Int) -> Float
}

/// Some groups for one tile of outputs.
struct GroupRun<Numbers: GroupNumbers> {
  let weights: UnsafePointer<UInt8>
  /// Bytes from group to group.
  let groupBytes: Int
  /// Of the first row.
  let codes: GroupCodes
  let groups: Int
  let groupLength: Int
  /// Channels of the last group.
  let lastChannels: Int
  /// Of the first row: y and z, 16 floats a row.
  let totals: UnsafeMutablePointer<Float>
  let parts: UnsafeMutablePointer<Float>
  let numbers: Numbers
  /// Of the first row, and numbers to the next one's.
  let rowScales: UnsafePointer<Float>
  let rowScaleStride: Int
  /// Groups that share a scale of the row, and those up to the end of the first one.
  let groupsOfScale: Int
  let restOfScale: Int
  /// Its last group is that of the level.
  let endsLevel: Bool
  /// Sums of a tile: [row][half].
  let sums: UnsafeMutablePointer<__m256i>
}

/// Where one group begins.
struct GroupPlace {
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  let codeStride: Int
  var channels: Int
  /// Memory for the sums of a tile: [row][half].
  let sums: UnsafeMutablePointer<__m256i>
  /// Behind them, for 64 bytes a row of up to four.
  @inline(__always) var halves: UnsafeMutablePointer<UInt8> {
    UnsafeMutableRawPointer(sums + 8).assumingMemoryBound(to: UInt8.self)
  }
}

/// 16 outputs as floats: y or z of one row, or scales or offsets.
struct GroupFloats {
  var low = _mm256_setzero_ps()
  var high = _mm256_setzero_ps()

  @inline(__always) init() {}

  @inline(__always)
  init(low: __m256, high: __m256) {
    self.low = low
    self.high = high
  }

  @inline(__always)
  init(_ memory: UnsafePointer<Float>) {
    low = _mm256_loadu_ps(memory)
    high = _mm256_loadu_ps(memory + 8)
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<Float>) {
    _mm256_storeu_ps(memory, low)
    _mm256_storeu_ps(memory + 8, high)
  }
}

/// What ends a group: z += I * s + Q * d, or y += the same * scale of the row.
private struct GroupEnd<Numbers: GroupNumbers> {
  let isDirect: Bool
  let hasOffsets: Bool
  let run: GroupRun<Numbers>
  let group: Int
  let scales: GroupFloats
  /// Of the first row.
  let rowScales: UnsafePointer<Float>

  @inline(__always)
  func add(_ dots: OutputVectors, _ r: Int) {
    let memory = (isDirect ? run.totals : run.parts) + 16 &* r
    var low = isDirect ? _mm256_setzero_ps() : _mm256_loadu_ps(memory)
    var high = isDirect ? _mm256_setzero_ps() : _mm256_loadu_ps(memory + 8)
    low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.low), scales.low, low)
    high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.high), scales.high, high)
    if hasOffsets {
      let sum = _mm256_set1_ps(run.numbers.sum(r, group))
      let offsets = run.numbers.offsets(group)
      low = _mm256_fmadd_ps(sum, offsets.low, low)
      high = _mm256_fmadd_ps(sum, offsets.high, high)
    }
    if isDirect {
      let scale = _mm256_set1_ps(rowScales[r &* run.rowScaleStride])
      low = _mm256_fmadd_ps(low, scale, _mm256_loadu_ps(memory))
      high = _mm256_fmadd_ps(high, scale, _mm256_loadu_ps(memory + 8))
    }
    _mm256_storeu_ps(memory, low)
    _mm256_storeu_ps(memory + 8, high)
  }
}

typealias GroupProduct = (inout OutputVectors, __m256i, OutputVectors) -> Void

/// Sums of a tile of 1 to 4 or 6 rows: 12 of the 16 registers; two hold weights, one codes.
struct GroupRows {
  let rows: Int
  var row0 = OutputVectors()
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()
  var row4 = OutputVectors()
  var row5 = OutputVectors()

  @inline(__always) init(_ rows: Int) { self.rows = rows }

  /// Every row from `start` of it.
  @inline(__always)
  init(_ rows: Int, _ start: (Int) -> OutputVectors) {
    self.rows = rows
    row0 = start(0)
    if rows > 1 { row1 = start(1) }
    if rows > 2 { row2 = start(2) }
    if rows > 3 { row3 = start(3) }
    if rows > 4 {
      row4 = start(4)
      row5 = start(5)
    }
  }

  /// Adds the channels of one register of codes.
  @inline(__always)
  mutating func add(
    _ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int, _ product: GroupProduct
  ) {
    let later = codes + 3 &* stride
    product(&row0, snq_broadcast4_256(codes), weights)
    if rows > 1 { product(&row1, snq_broadcast4_256(codes + stride), weights) }
    if rows > 2 { product(&row2, snq_broadcast4_256(codes + 2 &* stride), weights) }
    if rows > 3 { product(&row3, snq_broadcast4_256(later), weights) }
    if rows > 4 {
      product(&row4, snq_broadcast4_256(later + stride), weights)
      product(&row5, snq_broadcast4_256(later + 2 &* stride), weights)
    }
  }

  /// Gives every row to `body`.
  @inline(__always)
  func forEach(_ body: (OutputVectors, Int) -> Void) {
    body(row0, 0)
    if rows > 1 { body(row1, 1) }
    if rows > 2 { body(row2, 2) }
    if rows > 3 { body(row3, 3) }
    if rows > 4 {
      body(row4, 4)
      body(row5, 5)
    }
  }
}

/// y += z * the scale of the row, z = 0.
@inline(never)
private func endScale<Numbers: GroupNumbers>(
  _ run: GroupRun<Numbers>, _ rows: Int, _ rowScales: UnsafePointer<Float>
) {
  for r in 0..<rows {
    let scale = _mm256_set1_ps(rowScales[r &* run.rowScaleStride])
    for half in 0..<2 {
      let (total, part) = (run.totals + (16 &* r &+ 8 &* half), run.parts + (16 &* r &+ 8 &* half))
      _mm256_storeu_ps(total, _mm256_fmadd_ps(_mm256_loadu_ps(part), scale, _mm256_loadu_ps(total)))
      _mm256_storeu_ps(part, _mm256_setzero_ps())
    }
  }
}

/// How I of one group is made, from `start` of every row.
protocol GroupDots {
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows
}

/// All groups of a run; rows and whether every group has a scale of the row are literals.
@inline(__always)
private func multiplyGroups<Dots: GroupDots, Numbers: GroupNumbers>(
  _: Dots.Type, _ rows: Int, isDirect: Bool, _ run: GroupRun<Numbers>
) {
  var place = GroupPlace(
    weights: run.weights, codes: run.codes.bytes, codeStride: run.codes.stride, channels: run.groupLength,
    sums: run.sums)
  var rowScales = run.rowScales
  var (group, restOfScale) = (0, run.restOfScale)
  repeat {
    let isLast = group &+ 1 == run.groups
    if isLast { place.channels = run.lastChannels }
    let tile = Dots.dots(rows, place) { [group] in
      let start = _mm256_set1_epi32(run.numbers.start($0, group))
      return OutputVectors(low: start, high: start)
    }
    let scales = run.numbers.scales(group)
    if run.numbers.hasOffsets {
      let end = GroupEnd(
        isDirect: isDirect, hasOffsets: true, run: run, group: group, scales: scales, rowScales: rowScales)
      tile.forEach { end.add($0, $1) }
    } else {
      let end = GroupEnd(
        isDirect: isDirect, hasOffsets: false, run: run, group: group, scales: scales, rowScales: rowScales)
      tile.forEach { end.add($0, $1) }
    }
    if isDirect {
      rowScales += 1
    } else {
      restOfScale &-= 1
      if restOfScale == 0 || (isLast && run.endsLevel) {
        endScale(run, rows, rowScales)
        rowScales += 1
        restOfScale = run.groupsOfScale
      }
    }
    place.weights += run.groupBytes
    place.codes += run.groupLength
    group &+= 1
  } while group < run.groups
}

/// Rows of a tile, as a type: one function a tile shape, because the optimiser stops inlining when a caller grows.
private protocol TileRows { static var count: Int { get } }
private enum Rows1: TileRows { static var count: Int { 1 } }
private enum Rows2: TileRows { static var count: Int { 2 } }
private enum Rows3: TileRows { static var count: Int { 3 } }
private enum Rows4: TileRows { static var count: Int { 4 } }
private enum Rows6: TileRows { static var count: Int { 6 } }

@inline(never)
private func multiplyShared<Dots: GroupDots, Rows: TileRows, Numbers: GroupNumbers>(
  _: Dots.Type, _: Rows.Type, _ run: GroupRun<Numbers>
) {
  multiplyGroups(Dots.self, Rows.count, isDirect: false, run)
}

@inline(never)
private func multiplyDirect<Dots: GroupDots, Rows: TileRows, Numbers: GroupNumbers>(
  _: Dots.Type, _: Rows.Type, _ run: GroupRun<Numbers>
) {
  multiplyGroups(Dots.self, Rows.count, isDirect: true, run)
}

@inline(__always)
private func multiplyTile<Dots: GroupDots, Rows: TileRows, Numbers: GroupNumbers>(
  _: Dots.Type, _: Rows.Type, _ isDirect: Bool, _ run: GroupRun<Numbers>
) {
  if isDirect { multiplyDirect(Dots.self, Rows.self, run) } else { multiplyShared(Dots.self, Rows.self, run) }
}

/// All groups of one tile of 1 to 4 or 6 rows; `isDirect`: every group has a scale of the row.
@inline(__always)
func multiplyTile<Dots: GroupDots, Numbers: GroupNumbers>(
  _: Dots.Type, rows: Int, isDirect: Bool, _ run: GroupRun<Numbers>
) {
  switch rows {
  case 6: multiplyTile(Dots.self, Rows6.self, isDirect, run)
  case 4: multiplyTile(Dots.self, Rows4.self, isDirect, run)
  case 3: multiplyTile(Dots.self, Rows3.self, isDirect, run)
  case 2: multiplyTile(Dots.self, Rows2.self, isDirect, run)
  default: multiplyTile(Dots.self, Rows1.self, isDirect, run)
  }
}
