import Glibc
import SoniqFormat

/// SIGHUP, SIGINT and SIGTERM end the process as they do by default, but unfinished files go first.
enum TerminationSignals {
  /// Call it before other threads are made: they must not take the signals.
  static func watch() {
    // A file that is larger than its limit (ulimit -f) is an error of writing it.
    signal(SIGXFSZ, SIG_IGN)
    var signals = sigset_t()
    sigemptyset(&signals)
    // One that the parent ignores, as nohup does, stays ignored.
    for signal in [SIGHUP, SIGINT, SIGTERM] where isDefault(signal) { sigaddset(&signals, signal) }
    var before = sigset_t()
    guard pthread_sigmask(SIG_BLOCK, &signals, &before) == 0 else { return }
    let copy = UnsafeMutablePointer<sigset_t>.allocate(capacity: 1)
    copy.initialize(to: signals)
    var thread = pthread_t()
    let outcome = pthread_create(&thread, nil, { waitForOne($0) }, copy)
    guard outcome == 0 else {
      copy.deallocate()
      pthread_sigmask(SIG_SETMASK, &before, nil)
      return
    }
    pthread_detach(thread)
  }

  private static func isDefault(_ signal: Int32) -> Bool {
    var action = sigaction()
    return sigaction(signal, nil, &action) == 0 && action.__sigaction_handler.sa_handler == nil
  }
}

/// The thread's work: whichever of the signals comes first ends the process.
private func waitForOne(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let signals = argument.assumingMemoryBound(to: sigset_t.self)
  var signal: Int32 = 0
  while sigwait(signals, &signal) != 0 {}
  UnfinishedFiles.removeAll {
    pthread_sigmask(SIG_UNBLOCK, signals, nil)
    raise(signal)
  }
  return nil
}
