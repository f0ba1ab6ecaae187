public import CSoniq
import CMemory
import SoniqFormat
import SoniqGraph
import SoniqRuntime
import SoniqText

/// Behind a soniq_tokenizer: immutable, and so shared by threads.
final class TokenizerHandle: Handle {
  override class var tag: UInt64 { 0x0173_6e65_6b6f_7400 }  // "\0tokens\1"
  override class var name: String { "tokenizer" }

  let tokenizer: Tokenizer

  init(_ model: ModelHandle) throws(Failure) {
    let found: Tokenizer?
    do throws(FormatError) { found = try TokenizerCoding.tokenizer(of: model.model.description) } catch {
      throw Failure(error)
    }
    guard let found else { throw Self.missing(model) }
    tokenizer = found
    super.init()
  }

  private static func missing(_ model: ModelHandle) -> Failure {
    let key = MetadataKey.tokenizerLeftOut
    var message = "the file has no tokenizer"
    for entry in model.model.description.metadata where entry.key == key {
      if case .text(let reason) = entry.value { message += ": it was left out, because \(reason)" }
    }
    return Failure(.notFound, message, field: "tokenizer")
  }
}

/// `soniq_tokenizer_create` of soniq.h.
@_cdecl("soniq_tokenizer_create") @implementation
public func soniq_tokenizer_create(
  _ tokenizer: UnsafeMutablePointer<OpaquePointer?>?, _ model: OpaquePointer?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let tokenizer = try clear(tokenizer, "tokenizer")
    tokenizer.pointee = try TokenizerHandle(ModelHandle.borrow(model)).retained()
  }
}

/// `soniq_tokenizer_destroy` of soniq.h.
@_cdecl("soniq_tokenizer_destroy") @implementation
public func soniq_tokenizer_destroy(_ tokenizer: OpaquePointer?) { TokenizerHandle.release(tokenizer) }

/// `soniq_tokenizer_count` of soniq.h.
@_cdecl("soniq_tokenizer_count") @implementation
public func soniq_tokenizer_count(
  _ tokenizer: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try TokenizerHandle.borrow(tokenizer).tokenizer.count)
  }
}

/// `soniq_tokenizer_find` of soniq.h.
@_cdecl("soniq_tokenizer_find") @implementation
public func soniq_tokenizer_find(
  _ tokenizer: OpaquePointer?, _ piece: UnsafePointer<CChar>?, _ byteCount: Int,
  _ token: UnsafeMutablePointer<Int32>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let token = try clear(token, "token", to: 0)
    let tokenizer = try TokenizerHandle.borrow(tokenizer).tokenizer
    let piece = try bytes(piece, byteCount, limit: TokenizerLimits.pieceBytes, "piece")
    guard let id = tokenizer.id(ofPiece: piece) else {
      throw Failure(
        .notFound, "there is no token \"\(String(decoding: piece, as: UTF8.self))\"", field: "piece")
    }
    token.pointee = Int32(clamping: id)
  }
}

/// `soniq_tokenizer_encode` of soniq.h.
@_cdecl("soniq_tokenizer_encode") @implementation
public func soniq_tokenizer_encode(
  _ tokenizer: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ byteCount: Int, _ flags: UInt32,
  _ tokens: UnsafeMutablePointer<Int32>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    let tokenizer = try TokenizerHandle.borrow(tokenizer).tokenizer
    guard flags & ~UInt32(SONIQ_ENCODE_ADD_SPECIAL | SONIQ_ENCODE_PARSE_SPECIAL) == 0 else {
      throw .argument("flags", "has bits that are no SONIQ_ENCODE_* constant")
    }
    guard tokens != nil || capacity == 0 else { throw .null("tokens") }
    if let tokens, UInt(bitPattern: tokens) % 4 != 0 { throw .argument("tokens", "is not aligned") }
    let text = try bytes(text, byteCount, limit: TokenizerLimits.textBytes, "text")
    let target = UnsafeMutableBufferPointer(start: tokens, count: tokens == nil ? 0 : room(capacity))
    let found = tokenizer.encode(
      text, Tokenizer.EncodeOptions(rawValue: flags), into: target, allowance: Reserve.base / 4,
      reserve: { snq_reserve_grow($0) })
    guard let found else { throw Failure(.outOfMemory, "no memory for the tokens of this text") }
    count.pointee = found
  }
}

/// `soniq_tokenizer_decode` of soniq.h.
@_cdecl("soniq_tokenizer_decode") @implementation
public func soniq_tokenizer_decode(
  _ tokenizer: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int, _ flags: UInt32,
  _ text: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ byteCount: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let byteCount = try clear(byteCount, "byte_count", to: 0)
    let tokenizer = try TokenizerHandle.borrow(tokenizer).tokenizer
    guard flags & ~UInt32(SONIQ_DECODE_SKIP_SPECIAL | SONIQ_DECODE_CONTINUES) == 0 else {
      throw .argument("flags", "has bits that are no SONIQ_DECODE_* constant")
    }
    guard text != nil || capacity == 0 else { throw .null("text") }
    let ids = try checkedIds(tokens, count, of: tokenizer)
    var total = 0
    for id in ids {
      let (sum, overflow) = total.addingReportingOverflow(tokenizer.byteCount(of: Int(id)))
      guard !overflow else { throw .argument("count", "is too large") }
      total = sum
    }
    try reserve(total < 1 << 40 ? 4 * total : nil)
    let bytes = tokenizer.decode(ids.lazy.map { Int($0) }, Tokenizer.DecodeOptions(rawValue: flags))
    for (place, byte) in bytes.prefix(room(capacity)).enumerated() { text?[place] = CChar(bitPattern: byte) }
    byteCount.pointee = bytes.count
  }
}

/// A size_t beyond Int is as good as the largest Int.
private func room(_ capacity: Int) -> Int { capacity < 0 ? Int.max : capacity }

/// A copy of what C gave.
private func bytes(
  _ start: UnsafePointer<CChar>?, _ count: Int, limit: Int, _ parameter: String
) throws(Failure) -> [UInt8] {
  guard count >= 0, count <= limit else { throw .argument("byte_count", "is more than \(limit)") }
  guard let start else {
    guard count == 0 else { throw .null(parameter) }
    return []
  }
  try reserve(Reserve.copy(byteCount: count))
  return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
}

/// Checked ids, where they lie.
private func checkedIds(
  _ tokens: UnsafePointer<Int32>?, _ count: Int, of tokenizer: Tokenizer
) throws(Failure) -> UnsafeBufferPointer<Int32> {
  guard count >= 0, count <= Int(Int32.max) else { throw .argument("count", "is too large") }
  guard let tokens else {
    guard count == 0 else { throw .null("tokens") }
    return UnsafeBufferPointer(start: nil, count: 0)
  }
  guard UInt(bitPattern: tokens) % 4 == 0 else { throw .argument("tokens", "is not aligned") }
  let ids = UnsafeBufferPointer(start: tokens, count: count)
  for (place, id) in ids.enumerated() where id < 0 || Int(id) >= tokenizer.count {
    throw Failure(
      .data, "tokens[\(place)] is \(id), expected 0...\(tokenizer.count - 1)", field: "tokens")
  }
  return ids
}
