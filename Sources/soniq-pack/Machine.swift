import FoundationEssentials

/// The machine that measures.
enum Machine {
  /// The processor as the system names it, without what JSON would have to escape.
  static func name() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    func value(_ field: String) -> Substring? {
      let line = text.split(separator: "\n").first { $0.hasPrefix(field) }
      return line?.split(separator: ":").last?.drop(while: \.isWhitespace)
    }
    // ARM has numbers: of who made the core, and which it is.
    let parts = [value("CPU implementer"), value("CPU part")].compactMap(\.self).joined(separator: " ")
    let name = value("model name") ?? (parts.isEmpty ? "unknown" : "ARM \(parts)")
    return String(name.filter { $0.isASCII && $0 != "\"" && $0 != "\\" }.prefix(100))
  }
}
