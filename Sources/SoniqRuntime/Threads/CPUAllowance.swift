import CPlatform
import Glibc

/// How many CPUs this process may keep busy: the smaller of its affinity and its cgroup's quota.
struct CPUAllowance {
  /// Where the file system starts; tests give a directory of their own.
  var root = ""

  /// At least 1.
  func cpuCount() -> Int {
    let affinity = Int(snq_affinity_cpu_count())
    let allowed = affinity > 0 ? affinity : 1
    guard let quota = quotaInThousandths() else { return allowed }
    return max(1, min(allowed, quota / 1000))
  }

  /// Thousandths of a CPU that the tightest group on the way to the root allows; nil without a quota.
  func quotaInThousandths() -> Int? {
    guard let groups = contents(of: "/proc/self/cgroup") else { return nil }
    var tightest: Int?
    for line in groups.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let path = String(parts[2])
      let controllers = parts[1].split(separator: ",")
      let found: Int?
      if parts[0] == "0" && controllers.isEmpty {
        found = tightestQuota(under: "/sys/fs/cgroup", path: path, read: quotaVersion2)
      } else if controllers.contains("cpu") {
        let names = ["cpu", "cpu,cpuacct", String(parts[1])]
        found = names.compactMap {
          tightestQuota(under: "/sys/fs/cgroup/\($0)", path: path, read: quotaVersion1)
        }.min()
      } else {
        continue
      }
      tightest = [tightest, found].compactMap { $0 }.min()
    }
    return tightest
  }

  /// Reads every group from `path` up to the mount itself: in a container only the mount may be visible.
  private func tightestQuota(under mount: String, path: String, read: (String) -> Int?) -> Int? {
    var tightest = read(mount)
    var directory = mount
    for name in path.split(separator: "/") where name != ".." {
      directory += "/" + name
      if let quota = read(directory) { tightest = min(tightest ?? quota, quota) }
    }
    return tightest
  }

  private func quotaVersion2(_ directory: String) -> Int? {
    guard let text = contents(of: directory + "/cpu.max") else { return nil }
    let fields = text.split { $0 == " " || $0 == "\n" }
    guard fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]) else { return nil }
    return thousandths(quota, period)
  }

  private func quotaVersion1(_ directory: String) -> Int? {
    guard let quota = number(in: directory + "/cpu.cfs_quota_us"),
      let period = number(in: directory + "/cpu.cfs_period_us")
    else { return nil }
    return thousandths(quota, period)
  }

  private func thousandths(_ quota: Int, _ period: Int) -> Int? {
    guard quota > 0, period > 0, quota <= Int.max / 1000 else { return nil }
    return quota * 1000 / period
  }

  private func number(in path: String) -> Int? {
    contents(of: path).flatMap { Int($0.split(separator: "\n").first ?? "") }
  }

  /// The first 4 KiB of a file, or nil when it cannot be read.
  private func contents(of path: String) -> String? {
    let file = open(root + path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(file, &bytes, bytes.count)
    guard count > 0 else { return nil }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
