import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Images whose height and width a run says: every size gives the bits of a model that is made for it.
@Suite struct DynamicImageTests {
  private static let most = [2, 13, 17]
  private static let sizes = [
    [2, 13, 17], [1, 1, 1], [1, 8, 8], [2, 5, 4], [1, 13, 1], [1, 2, 16], [2, 7, 9], [1, 3, 3],
  ]
  private static let windows =
    ConvolutionTests.windows.map(\.0) + [
      Window(height: 3, width: 2, strides: (3, 3), padding: (0, 1, 2, 0)),
      Window(height: 2, width: 3, strides: (1, 3), dilations: (3, 2), padding: (1, 5, 4, 3)),
    ]
  private static let bytes = Level.affine(8, 8).fixed(0.03, zero: 100)
  private static let same = Window(height: 3, width: 3, padding: (1, 1, 1, 1))
  private static let halved = Window(height: 3, width: 3, strides: (2, 2), padding: (1, 1, 1, 1))

  /// Every kind of level and window, alone.
  @Test(arguments: ConvolutionTests.levels.indices, windows.indices)
  func convolutions(levels: Int, window: Int) throws {
    let levelChannels = ConvolutionTests.levels[levels]
    var network = ImageNetwork(
      channels: levelChannels.reduce(0) { $0 + $1.1 }, seed: UInt64(12000 + levels * 20 + window))
    network.convolution(
      Self.windows[window], levelChannels, groupOutputs: levels % 2 == 0 ? 20 : 48,
      shuffled: (levels + window) % 2 == 1)
    let sizes = window % 2 == 0 ? Self.sizes : Self.sizes.reversed()
    try network.check(sizes, atMost: Self.most, "levels \(levels), window \(window)")
  }

  @Test(arguments: ConvolutionTests.levels.indices)
  func groups(levels: Int) throws {
    let levelChannels = ConvolutionTests.levels[levels]
    var network = ImageNetwork(
      channels: 3 * levelChannels.reduce(0) { $0 + $1.1 }, seed: UInt64(12500 + levels))
    network.convolution(Self.halved, levelChannels, groups: 3, groupOutputs: 10)
    try network.check(Self.sizes, atMost: Self.most, "groups, levels \(levels)")
  }

  /// All heights with all widths.
  @Test(arguments: [0, 2, 5, 10])
  func everySize(levels: Int) throws {
    let levelChannels = ConvolutionTests.levels[levels]
    var network = ImageNetwork(
      channels: levelChannels.reduce(0) { $0 + $1.1 }, seed: UInt64(12600 + levels))
    network.convolution(
      Window(height: 5, width: 4, strides: (2, 1), dilations: (1, 2), padding: (2, 1, 3, 4)), levelChannels,
      groupOutputs: 5)
    let sizes = (1...7).flatMap { height in (1...7).map { [1, height, $0] } }
    try network.check(sizes, atMost: [1, 7, 7], "levels \(levels)")
  }

  /// Images of several bit planes, by kernels that the measured costs seldom choose for them.
  @Test(arguments: [
    Level.bipolar(2, 2).fixed(0.5), .bipolar(1, 3).fixed(0.3),
    Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 4)).fixed(0.2, zero: 5),
  ])
  func severalPlanes(level: Level) throws {
    var profile = KernelProfile.committed
    for (key, costs) in profile.costs where key.kernel.contains("bit_serial") {
      profile.costs[key] = costs.map { _ in key.kernel.hasSuffix("avx512") ? 1 : 2 }
    }
    for window in [Self.same, Self.halved, Self.windows[4]] {
      var network = ImageNetwork(channels: 64, seed: 12660)
      network.convolution(window, [(level, 64)], groupOutputs: 20)
      try network.check(
        Self.sizes, atMost: Self.most, "planes, \(level), \(window)", profile: profile, kernel: "bit_serial")
    }
  }

  /// Windows of few channels on copies of the weights, whose taps begin at tiles of their own.
  @Test(arguments: [[(2, 5)], [(1, 16)], [(3, 20)], [(2, 33)], [(1, 16), (3, 9)], [(2, 24), (8, 8)]])
  func copiesOfSmallWindows(levels: [(bits: Int, channels: Int)]) throws {
    var profile = KernelProfile.committed
    for (key, costs) in profile.costs where !key.kernel.contains("nibbles") {
      profile.costs[key] = costs.map { $0 * 10 }
    }
    let levelChannels = levels.map { bits, channels in
      (bits == 8 ? Level.affine(8, 8).fixed(0.03, zero: 100) : .bipolar(bits, bits).fixed(0.4), channels)
    }
    for window in [Self.same, Self.halved, Self.windows[4]] {
      var network = ImageNetwork(channels: levels.reduce(0) { $0 + $1.channels }, seed: 12670)
      network.convolution(window, levelChannels, groupOutputs: 20)
      try network.check(
        Self.sizes, atMost: Self.most, "copies, \(levels), \(window)", profile: profile, kernel: "nibbles",
        kernelNeedsCopies: true)
    }
  }

  /// Some of the sides are fixed.
  @Test(arguments: [0, 2, 5, 8], [[0], [1], [2], [0, 2]])
  func someSizes(levels: Int, symbols: [Int]) throws {
    let levelChannels = ConvolutionTests.levels[levels]
    var network = ImageNetwork(
      channels: levelChannels.reduce(0) { $0 + $1.1 }, seed: UInt64(12650 + levels))
    network.symbols = Set(symbols)
    network.convolution(Self.halved, levelChannels, groupOutputs: 20)
    network.depthwise(Self.same, Self.bytes)
    network.append(.pool(.average, Window(height: 2, width: 3, padding: (0, 1, 1, 1))))
    let sizes = Self.sizes.map { size in
      size.indices.map { symbols.contains($0) ? size[$0] : Self.most[$0] }
    }
    try network.check(sizes, atMost: Self.most, "levels \(levels), symbols \(symbols)")
  }

  /// Rows of an image that are longer than a block, and shorter; large weights, of which windows are copied.
  @Test(arguments: [0, 2, 4, 8])
  func wideImages(levels: Int) throws {
    let levelChannels = ConvolutionTests.levels[levels]
    var network = ImageNetwork(
      channels: levelChannels.reduce(0) { $0 + $1.1 }, seed: UInt64(12700 + levels))
    network.convolution(Self.same, levelChannels, groupOutputs: 16)
    network.append(.activation(.relu))
    let sizes = [150, 1, 64, 65, 63, 129, 17].map { [1, 3, $0] } + [[2, 40, 5]]
    try network.check(sizes, atMost: [2, 40, 150], "wide, levels \(levels)")
    var large = ImageNetwork(channels: 512, seed: 12750)
    large.convolution(Self.same, [(Level.affine(8, 8).fixed(0.03, zero: 100), 512)], groupOutputs: 128)
    if levels == 0 { try large.check([[1, 6, 5], [2, 1, 3]], atMost: [2, 6, 13], "large") }
  }

  @Test(arguments: [1, 16, 32, 65, 144], [halved, same])
  func depthwise(channels: Int, window: Window) throws {
    for (index, level) in [Self.bytes, .affine(4, 4).fixed(0.2, zero: 3)].enumerated() {
      for window in [window, Window(height: 5, width: 1, dilations: (2, 1), padding: (4, 0, 4, 2))] {
        var network = ImageNetwork(channels: channels, seed: UInt64(12800 + channels * 2 + index))
        network.depthwise(window, level)
        network.append(.activation(.relu6))
        try network.check(Self.sizes, atMost: Self.most, "\(channels) channels, \(level), \(window)")
      }
    }
  }

  @Test func floats() throws {
    for (index, window) in Self.windows.enumerated() {
      var network = ImageNetwork(channels: 6, seed: UInt64(12900 + index))
      network.floatConvolution(window, groups: index % 2 + 1, groupOutputs: 5)
      network.append(.activation(.relu))
      try network.check(Self.sizes, atMost: Self.most, "float convolution \(index)")
      for channels in [1, 7] {
        var depthwise = ImageNetwork(channels: channels, seed: UInt64(12950 + index))
        depthwise.floatDepthwise(window)
        try depthwise.check(Self.sizes, atMost: Self.most, "float depthwise \(index), \(channels) channels")
      }
    }
  }

  /// Stems of few channels: pixels without padding, and planes.
  @Test(arguments: [1, 2, 3, 4], [false, true])
  func stems(channels: Int, isPlanar: Bool) throws {
    for level in [
      Self.bytes, Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 8)).fixed(0.03),
    ] {
      for window in [Window(height: 7, width: 7, strides: (2, 2), padding: (3, 3, 3, 3)), Self.same] {
        var network = ImageNetwork(channels: channels, seed: UInt64(13000 + channels))
        network.isPlanar = isPlanar
        network.convolution(window, [(level, channels)], groupOutputs: 20)
        let sizes = [[2, 5, 9], [1, 1, 1], [1, 4, 300], [2, 9, 40], [1, 2, 299]]
        try network.check(sizes, atMost: [2, 9, 300], "\(channels) channels, planes \(isPlanar), \(level)")
      }
    }
  }

  @Test(arguments: PoolFunction.allCases)
  func pools(function: PoolFunction) throws {
    for (index, window) in TensorImageTests.windows.enumerated() {
      var network = ImageNetwork(channels: [1, 3, 8, 37][index % 4], seed: UInt64(13100 + index))
      network.append(.pool(function, window))
      try network.check(Self.sizes, atMost: Self.most, "\(function), window \(index)")
    }
  }

  @Test func resizes() throws {
    let methods: [ResizeMethod] = [.nearest, .linear, .cubic]
    let coordinates: [ResizeCoordinates] = [
      .halfPixel, .pytorchHalfPixel, .alignCorners, .asymmetric, .halfPixelSymmetric,
    ]
    for (index, method) in methods.enumerated() {
      for place in coordinates {
        for (numerator, divisor) in [(2, 1), (5, 3), (1, 2)] {
          var network = ImageNetwork(channels: 3, seed: UInt64(13200 + index))
          network.resize(method, place, times: numerator, over: divisor)
          let note = "\(method) \(place) \(numerator) / \(divisor)"
          try network.check(Self.sizes, atMost: Self.most, note)
        }
      }
    }
  }

  @Test func folds() throws {
    for (index, window) in TensorImageTests.windows.enumerated() {
      var network = ImageNetwork(channels: window.taps * 3, seed: UInt64(13300 + index))
      network.fold(window, times: 2)
      try network.check(Self.sizes, atMost: Self.most, "fold \(index)")
    }
  }

  /// A stem, a residual block, a shuffled convolution of two levels and a head: layers pass codes on, blocks of rows go
  /// through segments, and sizes are defined by sizes that are defined.
  @Test(arguments: [false, true])
  func networks(isPlanar: Bool) throws {
    var network = ImageNetwork(channels: 3, seed: 13400)
    network.isPlanar = isPlanar
    network.convolution(
      Window(height: 7, width: 7, strides: (2, 2), padding: (3, 3, 3, 3)), [(Self.bytes, 3)],
      groupOutputs: 32)
    network.append(.activation(.relu))
    network.append(.pool(.maximum, Window(height: 3, width: 3, strides: (2, 2), padding: (1, 1, 1, 1))))
    network.convolution(Self.same, [(.affine(4, 8).fixed(0.05, zero: 0), 32)], groupOutputs: 32)
    network.append(.activation(.relu))
    network.convolution(Self.same, [(.bipolar(1, 1).fixed(0.7), 32)], groupOutputs: 32)
    network.addShortcut(over: 3)
    network.append(.activation(.relu))
    network.linear(Self.bytes, outputs: 96)
    network.append(.activation(.relu6))
    network.depthwise(Self.halved, Self.bytes)
    network.append(.activation(.relu6))
    network.linear(Self.bytes, outputs: 24)
    network.convolution(
      Self.same, [(.bipolar(1, 1).fixed(0.8), 16), (.bipolar(4, 4).fixed(0.2), 8)], groupOutputs: 20,
      shuffled: true)
    network.resize(.linear, .halfPixel, times: 2)
    network.append(.pool(.average, Window(height: 2, width: 2)))
    let sizes = [
      [2, 64, 65], [1, 9, 17], [3, 33, 50], [1, 64, 65], [1, 10, 130], [2, 25, 24], [1, 1, 1],
    ]
    try network.check(sizes, atMost: [3, 64, 130], "network")
  }

  /// Sums for all borders are made once, whatever the maximums of sessions.
  @Test func sessionsShareTheSumsOfBorders() throws {
    var network = ImageNetwork(channels: 32, seed: 13500)
    network.convolution(Self.halved, [(.bipolar(2, 2).fixed(0.5), 32)], groupOutputs: 16)
    let graph = network.graph(2, 40, 40, isDynamic: true)
    let geometries = [40, 9].map {
      ImageGeometry(Self.halved, shape: graph.values[0].shape, maximums: [2, $0, $0])
    }
    #expect(BorderAxis(rows: geometries[0]) == BorderAxis(rows: geometries[1]))
    #expect(BorderAxis(rows: geometries[0]).classes == [0..<3, 0..<2, 1..<3, 1..<2])
    #expect(BorderAxis(rows: geometries[0]).classCount == 4)
  }

  /// The batch is left open: few large images or many small ones, and what has no room is refused.
  @Test func paddedImagesHaveRoom() throws {
    var network = ImageNetwork(channels: 8, seed: 13600)
    network.convolution(
      Window(height: 7, width: 7, padding: (3, 3, 3, 3)), [(Self.bytes, 8)], groupOutputs: 4)
    let graph = network.graph(64, 512, 512, isDynamic: true)
    let model = try network.model(graph)
    let sizes = try PlanOutline(graph, options: SessionOptions(), allowsCopies: true).sizes
    #expect(sizes.combinations.count == 2)
    let session = try Session(model)
    for size in [[1, 512, 512], sizes.combinations[1], [64, 5, 2], [16, 30, 20]] {
      let result = try session.result(network.input(size), network.inputShape(size))
      #expect(try network.fixed(size)?.bits == result.bits, "\(size)")
    }
    // As many pixels as are planned for; their padding is too much.
    let entries = sizes.combinations[0][0]
    let size = [64, 64, 64 * entries]
    let error = #expect(throws: RuntimeError.self) {
      try session.result(network.input(size), network.inputShape(size))
    }
    #expect(error?.code == .sizesTooLarge)
    #expect(error?.message.contains("height = 64") == true)
  }

  /// Images that cannot be addressed, and windows with more borders than memory.
  @Test func whatIsTooLargeIsRefused() throws {
    var network = ImageNetwork(channels: 1 << 19, seed: 13700)
    let padded = Window(
      height: 1, width: 1, strides: (4096, 4096), padding: (4096, 4096, 4096, 4096))
    network.depthwise(padded, Self.bytes)
    var options = SessionOptions()
    options.maximums = [SymbolMaximum(name: "batch", maximum: 1 << 10)]
    let wide = try network.model(network.graph(1 << 10, 1, 1 << 20, isDynamic: true))
    let error = #expect(throws: RuntimeError.self) { try Session(wide, options: options) }
    #expect(error?.code == .workspaceTooLarge)
    var borders = ImageNetwork(channels: 16, seed: 13701)
    borders.convolution(
      Window(height: 1, width: 4096, padding: (0, 4095, 0, 4096)), [(.bipolar(1, 1).fixed(0.5), 16)],
      groupOutputs: 16)
    let graph = borders.graph(1, 1, 100, isDynamic: true)
    let tooMany = #expect(throws: RuntimeError.self) { try Session(borders.model(graph)) }
    #expect(tooMany?.code == .outOfMemory)
  }
}
