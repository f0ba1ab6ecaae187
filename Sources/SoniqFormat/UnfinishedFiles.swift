import Glibc
import Synchronization

/// The names of files that are not finished yet: a process that is told to end removes them first.
package enum UnfinishedFiles {
  private static let names = Mutex<[String]>([])

  /// Makes a file under a name; no `removeAll` comes between the two.
  /// * make: makes it; says whether it did.
  ///
  /// Returns 0, or `errno` of what could not make it.
  static func making(_ name: String, _ make: () -> Bool) -> Int32 {
    names.withLock { names in
      guard make() else { return errno }
      names.append(name)
      return 0
    }
  }

  /// The file is finished, or gone.
  static func forget(_ name: String) {
    names.withLock { names in names.removeAll { $0 == name } }
  }

  /// Removes them all.
  /// * end: what ends the process: no new file appears before it returns.
  package static func removeAll(then end: () -> Void) {
    names.withLock { names in
      for name in names { unlink(name) }
      end()
    }
  }
}
