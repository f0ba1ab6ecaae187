import CSIMD

/// 16 outputs of one row: integers.
struct OutputVectors {
  var a = vdupq_n_s32(0)
  var b = vdupq_n_s32(0)
  var c = vdupq_n_s32(0)
  var d = vdupq_n_s32(0)

  @inline(__always) init() {}

  @inline(__always)
  init(_ a: int32x4_t, _ b: int32x4_t, _ c: int32x4_t, _ d: int32x4_t) {
    self.a = a
    self.b = b
    self.c = c
    self.d = d
  }

  @inline(__always)
  init(repeating number: Int32) {
    let all = vdupq_n_s32(number)
    self.init(all, all, all, all)
  }

  @inline(__always)
  init(_ memory: UnsafePointer<Int32>) {
    a = snq_load_s32(memory)
    b = snq_load_s32(memory + 4)
    c = snq_load_s32(memory + 8)
    d = snq_load_s32(memory + 12)
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<Int32>) {
    snq_store_s32(memory, a)
    snq_store_s32(memory + 4, b)
    snq_store_s32(memory + 8, c)
    snq_store_s32(memory + 12, d)
  }

  /// One function for each of the vectors.
  @inline(__always)
  func map(_ body: (int32x4_t) -> int32x4_t) -> OutputVectors {
    OutputVectors(body(a), body(b), body(c), body(d))
  }
}

/// 16 outputs of up to 4 rows.
struct TileSums {
  /// A literal.
  let rows: Int
  var row0 = OutputVectors()
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()

  @inline(__always) init(_ rows: Int) { self.rows = rows }

  /// Gives every row to `body`.
  @inline(__always)
  func forEach(_ body: (OutputVectors, Int) -> Void) {
    body(row0, 0)
    if rows > 1 { body(row1, 1) }
    if rows > 2 { body(row2, 2) }
    if rows > 3 { body(row3, 3) }
  }
}

/// 64 bytes: a tile of weights of 16 outputs by 4 channels, or of nibbles or bits of more.
struct TileVectors {
  let a: uint8x16_t
  let b: uint8x16_t
  let c: uint8x16_t
  let d: uint8x16_t

  @inline(__always)
  init(_ a: uint8x16_t, _ b: uint8x16_t, _ c: uint8x16_t, _ d: uint8x16_t) {
    self.a = a
    self.b = b
    self.c = c
    self.d = d
  }

  @inline(__always)
  init(_ tile: UnsafePointer<UInt8>) {
    self.init(snq_load_u8(tile), snq_load_u8(tile + 16), snq_load_u8(tile + 32), snq_load_u8(tile + 48))
  }

  @inline(__always)
  func store(_ tile: UnsafeMutablePointer<UInt8>) {
    snq_store_u8(tile, a)
    snq_store_u8(tile + 16, b)
    snq_store_u8(tile + 32, c)
    snq_store_u8(tile + 48, d)
  }

  @inline(__always)
  func map(_ body: (uint8x16_t) -> uint8x16_t) -> TileVectors {
    TileVectors(body(a), body(b), body(c), body(d))
  }

  @inline(__always)
  func lowNibbles() -> TileVectors { map { vandq_u8($0, vdupq_n_u8(15)) } }

  @inline(__always)
  func highNibbles() -> TileVectors { map { snq_right4_u8($0) } }
}
