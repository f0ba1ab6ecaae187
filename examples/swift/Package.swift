// swift-tools-version: 6.0
import PackageDescription

// A Swift host of an installed libsoniq: pkg-config says where it is (PKG_CONFIG_PATH).
let package = Package(
  name: "soniq-swift-host",
  targets: [
    .systemLibrary(name: "CSoniq", pkgConfig: "soniq"),
    .executableTarget(name: "embed", dependencies: ["CSoniq"], path: "Sources/Embed"),
  ]
)
