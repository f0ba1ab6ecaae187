import SoniqMemory

/// Text from C: bounded and valid UTF-8.
enum TextIn {
  static let nameLimit = 1024
  static let pathLimit = 4096

  /// - Throws: invalid argument for NULL, more than `limit` bytes, or what is not UTF-8.
  static func read(
    _ text: UnsafePointer<CChar>?, limit: Int = nameLimit, _ parameter: String
  ) throws(Failure) -> String {
    guard let text else { throw .null(parameter) }
    var length = 0
    while length <= limit, text[length] != 0 { length += 1 }
    guard length <= limit else { throw .argument(parameter, "is longer than \(limit) bytes") }
    let bytes = UnsafeRawBufferPointer(start: text, count: length)
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw .argument(parameter, "is not valid UTF-8")
    }
    return string
  }
}

/// Static text for C.
func staticText(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// NUL-terminated copies of text in an arena, which live as long as the store. Filled while a handle is
/// made, constant afterwards.
final class TextStore {
  private let arena: MemoryArena
  private var blocks: [(memory: UnsafeMutableRawPointer, byteCount: Int)] = []

  init(_ arena: MemoryArena) { self.arena = arena }

  func keep(_ text: String) throws(Failure) -> UnsafePointer<CChar> {
    let bytes = Array(text.utf8)
    let memory: UnsafeMutableRawPointer
    do throws(MemoryError) {
      memory = try arena.allocate(byteCount: bytes.count + 1, alignment: 8)
    } catch { throw Failure(error) }
    bytes.withUnsafeBytes { source in
      if let base = source.baseAddress { memory.copyMemory(from: base, byteCount: source.count) }
    }
    memory.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
    blocks.append((memory, bytes.count + 1))
    return UnsafePointer(memory.assumingMemoryBound(to: CChar.self))
  }

  deinit { for block in blocks { arena.free(block.memory, byteCount: block.byteCount) } }
}
