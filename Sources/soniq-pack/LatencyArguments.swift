import ArgumentParser
import SoniqPack

/// How runs are timed.
struct TimingArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Threads of a run that is timed.", valueName: "COUNT"))
  var threads = 1

  @Option(
    help: ArgumentHelp(
      "A dynamic size as it is timed, as sequence=128 (default: 64, or 1 as a first size). May be given several times.",
      valueName: "NAME=SIZE"))
  var at: [String] = []

  func timing() throws(PackError) -> TimingOptions {
    var timing = TimingOptions()
    guard (1...256).contains(threads) else {
      throw PackError(.usage, place: "--threads", "must be from 1 to 256")
    }
    timing.threads = threads
    timing.machine = Machine.name()
    timing.sizes = try OnnxOptions.sizes(at, option: "--at")
    return timing
  }
}

/// What a run may take.
struct LatencyArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Milliseconds that a run may take, for palettes of two levels: channels get the fine level where they gain most for \
      its time, which is measured layer by layer on this machine. A level that takes longer than the fine one is not used.
      """, valueName: "MS"))
  var targetLatency: Double?

  @Option(
    help: ArgumentHelp(
      "With --target-latency: the times of another machine, which soniq-pack measure-layers wrote there.",
      valueName: "FILE"))
  var layerTimes: String?

  @OptionGroup var timing: TimingArguments

  func apply(to options: inout PackOptions) throws(PackError) {
    guard let targetLatency else {
      for (option, isGiven) in [
        ("--layer-times", layerTimes != nil), ("--at", !timing.at.isEmpty),
        ("--threads", timing.threads != 1),
      ] where isGiven {
        throw PackError(.usage, place: option, "needs --target-latency")
      }
      return
    }
    guard layerTimes == nil || timing.at.isEmpty && timing.threads == 1 else {
      throw PackError(.usage, place: "--layer-times", "says itself what threads and sizes were measured")
    }
    options.timing = try timing.timing()
    let times = try layerTimes.map { path throws(PackError) in try LayerTimes.read(path: path) }
    options.targetLatency = LatencyTarget(milliseconds: targetLatency, times: times)
  }
}
