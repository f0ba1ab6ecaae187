import Glibc
import SoniqPack
import Synchronization

/// Progress on standard error: one line that is written over on a terminal, else a line a phase and quarter.
final class ProgressLine: Sendable {
  private let isTerminal: Bool
  private let isOn: Bool
  private let last = Mutex<String>("")

  /// * isForced: show progress even when standard error is no terminal.
  init(isForced: Bool) {
    isTerminal = isatty(STDERR_FILENO) == 1
    isOn = isTerminal || isForced
  }

  var report: ProgressReport {
    guard isOn else { return .silent }
    return ProgressReport { [self] phase, done, total in show(phase, done, total) }
  }

  private func show(_ phase: String, _ done: Int, _ total: Int) {
    let percent = total > 0 ? done * 100 / total : 100
    if isTerminal {
      writeError("\r\u{1b}[K\(phase) \(percent) %" + (done == total ? "\n" : ""))
      return
    }
    let line = "\(phase) \(percent / 25 * 25) %"
    let isNew = last.withLock { last -> Bool in
      defer { last = line }
      return last != line
    }
    if isNew { writeError(line + "\n") }
  }
}
