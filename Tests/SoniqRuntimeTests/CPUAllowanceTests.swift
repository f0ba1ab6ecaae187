import Glibc
import Testing

@testable import SoniqRuntime

/// Each test makes a file system of its own with what a container would show.
@Suite struct CPUAllowanceTests {
  private func root(_ files: [String: String]) throws -> String {
    var template = Array("/tmp/soniq-cgroup-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { String(cString: $0) })
    for (name, text) in files {
      var directory = path
      for part in name.split(separator: "/").dropLast() {
        directory += "/" + part
        mkdir(directory, 0o755)
      }
      let file = try #require(fopen(path + name, "w"))
      fputs(text, file)
      fclose(file)
    }
    return path
  }

  @Test func tightestGroupOfVersion2Counts() throws {
    let files = [
      "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
      "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
    ]
    #expect(CPUAllowance(root: try root(files)).quotaInThousandths() == 1500)
    #expect(CPUAllowance(root: try root(files)).cpuCount() == 1)
  }

  @Test func groupsOfVersion1Count() throws {
    let files = [
      "/proc/self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/job\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
    ]
    #expect(CPUAllowance(root: try root(files)).quotaInThousandths() == 500)
    #expect(CPUAllowance(root: try root(files)).cpuCount() == 1)
  }

  @Test(arguments: [
    "", "max 100000\n", "0 100000\n", "100000 0\n", "many\n", "9223372036854775807 1\n", "-1 100000\n",
  ])
  func senselessQuotasAreNone(text: String) throws {
    let files = ["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": text]
    #expect(CPUAllowance(root: try root(files)).quotaInThousandths() == nil)
  }

  @Test func withoutFilesAffinityCounts() {
    #expect(CPUAllowance(root: "/nowhere").quotaInThousandths() == nil)
    #expect(CPUAllowance(root: "/nowhere").cpuCount() >= 1)
  }
}
