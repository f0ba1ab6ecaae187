// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The manifest is the architecture: a target may import only what its line names, and the build
// is always run with `--explicit-target-dependency-import-check error` (see Makefile).

let root = Context.packageDirectory
/// SONIQ_ARCH: built for another machine than this one.
let foreignArchitecture = Context.environment["SONIQ_ARCH"].flatMap { $0.isEmpty ? nil : $0 }
let jemallocLibrary = "\(root)/build/jemalloc\(foreignArchitecture.map { "-" + $0 } ?? "")/lib"

let common: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// What libsoniq.so is made of. The linker leaves out each function that nothing calls: with a section for each, and
/// without the mark that keeps what other link units could call (`internalize-at-link`), of which there are none.
let library =
  common + [
    .unsafeFlags(
      ["-Xfrontend", "-function-sections", "-Xfrontend", "-internalize-at-link"],
      .when(configuration: .release))
  ]

/// What this file knows of an architecture. Nothing but loops over numbers has flags of one.
struct Architecture {
  let name: String
  /// Every machine that the library starts on.
  let baseline: [String]
  /// The kernel modules; what each is compiled for is what its file in SoniqKernels/Registry requires. SNQ_OWN ends the C
  /// names of what is compiled from KernelsShared.
  let modules: [(name: String, machine: [String])]
  /// Kernels of the tests alone.
  let twins: [(name: String, machine: [String])]

  /// Layers whose loops are slower by more than a fiftieth without version 2 have it too; measured: powers .12, maxima
  /// along a row .11, maximum pooling .08, packing .03.
  static let x86_64 = Architecture(
    name: "x86_64", baseline: ["-march=x86-64-v2"],
    modules: [
      ("KernelsPortable", ["-march=x86-64-v2", "-DSNQ_OWN=portable"]),
      ("KernelsAVX2", ["-march=x86-64-v3", "-DSNQ_OWN=avx2"]),
      ("KernelsAVXVNNI", ["-march=x86-64-v3", "-mavxvnni"]),
      ("KernelsAVX512", ["-march=x86-64-v4", "-mavx512vnni", "-DSNQ_OWN=avx512"]),
      (
        "KernelsAVX512VBMI",
        [
          "-march=x86-64-v4", "-mavx512vnni", "-mavx512vpopcntdq", "-mavx512bitalg", "-mavx512vbmi",
          "-mavx512vbmi2", "-mgfni",
        ]
      ),
    ],
    // The AVX-VNNI kernels in the AVX-512 form of their one instruction, which more machines have.
    twins: [("KernelsAVXVNNITwin", ["-march=x86-64-v3", "-mavx512vl", "-mavx512vnni", "-DSNQ_VNNI_EVEX"])])

  static let aarch64 = Architecture(
    name: "aarch64", baseline: [],
    modules: [
      ("KernelsPortable", ["-DSNQ_OWN=portable"]),
      ("KernelsNEON", ["-march=armv8-a", "-DSNQ_OWN=neon"]),
      ("KernelsNEONDot", ["-march=armv8.2-a+dotprod"]),
      ("KernelsNEONMixed", ["-march=armv8.2-a+dotprod+i8mm"]),
    ],
    twins: [])
}

/// The architecture that is built for: SONIQ_ARCH, or that of this machine.
func target() -> Architecture {
  #if arch(arm64)
    let machine = "aarch64"
  #else
    let machine = "x86_64"
  #endif
  let name = foreignArchitecture ?? machine
  switch name {
  case "x86_64": return .x86_64
  case "aarch64": return .aarch64
  default: fatalError("SONIQ_ARCH is \(name): the library is for x86_64 and aarch64")
  }
}
let architecture = target()

/// The compiler flags for a machine.
func compiled(for machine: [String]) -> [SwiftSetting] {
  machine.isEmpty ? [] : [.unsafeFlags(machine.flatMap { ["-Xcc", $0] })]
}

/// Of layers of which nothing runs often, so that size counts more than speed. The C ABI is none of them: a run of an LSTM
/// of 0.3 ms took .03 longer with it.
let small: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// A pure Swift layer of the library.
func layer(
  _ name: String, _ dependencies: [Target.Dependency], isSmall: Bool = false, machine: [String] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies,
    swiftSettings: library + compiled(for: machine)
      + (isSmall ? small : []))
}

/// Kernels for some machines. `isSmall`: the reference, which hardly any machine runs.
func kernels(_ name: String, path: String? = nil, _ machine: [String], isSmall: Bool = false) -> Target {
  .target(
    name: name, dependencies: ["CKernelABI", "CSIMD"], path: path,
    swiftSettings: library + [
      .unsafeFlags(
        (isSmall ? ["-Osize", "-remove-runtime-asserts"] : ["-Ounchecked"])
          + ["-enforce-exclusivity=unchecked", "-disable-cmo"])
    ] + compiled(for: machine))
}

/// Header-only C: intrinsics, kernel prototypes, operating system glue.
func headers(_ name: String) -> Target { .target(name: name, publicHeadersPath: "include") }

/// What libsoniq.so gets from Sources/CMemory instead: functions that allocate (reserve.h, thread_storage.c), and one
/// whose newest version older systems lack (older_systems.c).
let wrapped = [
  "malloc", "calloc", "realloc", "posix_memalign", "free", "malloc_usable_size", "strdup", "_Znwm",
  "_ZnwmSt11align_val_t", "_ZdlPvm", "_ZdlPvmSt11align_val_t", "__tls_get_addr", "hypotf",
]

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["SoniqTestSupport"],
    path: "Tests/\(name)", exclude: exclude, swiftSettings: common)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
  name: "soniq",
  products: [
    .library(name: "soniq", type: .dynamic, targets: ["soniq"]),
    .executable(name: "soniq-pack", targets: ["soniq-pack"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    // Without its streams, which alone would bring all of Foundation: 35 MB.
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.30.0", traits: []),
  ],
  targets: [
    // MARK: ABI
    .target(name: "CSoniq", path: "include", publicHeadersPath: "."),
    layer(
      "SoniqABI",
      [
        "CSoniq", "SoniqCore", "SoniqGraph", "SoniqFormat", "SoniqQuantizers", "SoniqRuntime", "SoniqKernels",
        "SoniqMemory", "SoniqDecoding", "SoniqText", "CPlatform", "CMemory",
      ]),
    .target(
      name: "soniq", dependencies: ["SoniqABI"], exclude: ["soniq.map"],
      swiftSettings: common,
      linkerSettings: [
        .unsafeFlags(
          [
            "-static-stdlib", "-use-ld=lld",
            "-Xlinker", "-soname=libsoniq.so.0",
            "-Xlinker", "--version-script=\(root)/Sources/soniq/soniq.map",
            "-Xlinker", "--gc-sections", "-Xlinker", "--icf=all", "-Xlinker", "-O2",
            "-Xlinker", "-z", "-Xlinker", "now", "-Xlinker", "--no-undefined",
          ] + wrapped.flatMap { ["-Xlinker", "--wrap=\($0)"] }, .when(configuration: .release))
      ]),

    // MARK: Core
    layer("SoniqCore", []),
    layer("SoniqGraph", ["SoniqCore"], isSmall: true),
    layer("SoniqText", []),
    layer("SoniqFormat", ["SoniqCore", "SoniqGraph", "SoniqText", "CMemory"], isSmall: true),
    layer("SoniqQuantizers", ["SoniqCore", "SoniqGraph"], machine: architecture.baseline),
    layer(
      "SoniqRuntime",
      [
        "SoniqCore", "SoniqGraph", "SoniqKernels", "SoniqMemory", "SoniqOperators", "CPlatform", "CMemory",
        "CKernelABI",
      ]),
    layer("SoniqOperators", ["SoniqCore", "SoniqGraph", "CKernelABI"], machine: architecture.baseline),
    headers("CPlatform"),
    // Arenas, and what the private jemalloc gets in the place of the system.
    .target(
      name: "CMemory", publicHeadersPath: "include",
      linkerSettings: [.unsafeFlags(["-L\(jemallocLibrary)", "-lsoniq_jemalloc"])]),
    layer("SoniqMemory", ["SoniqCore", "CMemory", "CPlatform"]),
    layer("SoniqDecoding", ["SoniqMemory"]),

    // MARK: Kernels
    headers("CKernelABI"),
    headers("CSIMD"),
    .target(
      name: "SoniqKernels",
      dependencies: ["SoniqCore", "CKernelABI", "CPlatform"]
        + architecture.modules.map { .init(stringLiteral: $0.name) },
      swiftSettings: library + small),

    // MARK: Tools
    .target(
      name: "SoniqPack",
      dependencies: [
        "SoniqCore", "SoniqGraph", "SoniqFormat", "SoniqQuantizers", "SoniqRuntime", "SoniqText", protobuf,
      ],
      exclude: ["Onnx/Schema/onnx.proto"], swiftSettings: common),
    layer("SoniqCalibration", ["SoniqCore", "SoniqKernels", "CKernelABI", "CPlatform"]),
    .executableTarget(
      name: "soniq-pack",
      dependencies: [
        "CSoniq", "SoniqPack", "SoniqCalibration", "SoniqKernels", "SoniqFormat", "SoniqGraph", "SoniqCore",
        argumentParser,
      ],
      swiftSettings: common,
      linkerSettings: [
        .unsafeFlags(
          [
            "-use-ld=lld", "-Xlinker", "--icf=all", "-Xlinker", "--no-export-dynamic", "-Xlinker",
            "--wrap=hypotf",
          ], .when(configuration: .release))
      ]),

    // Kernels for scales per group against those for one scale an output.
    .executableTarget(
      name: "group-bench", dependencies: ["SoniqKernels", "CKernelABI"], path: "bench/groups",
      swiftSettings: common),

    // MARK: Tests
    // Writes Tests/Golden/tiny-bert.soniq.
    .executableTarget(
      name: "tiny-model",
      dependencies: ["SoniqCore", "SoniqGraph", "SoniqFormat", "SoniqQuantizers", "SoniqTestSupport"],
      path: "Tests/TinyModel", swiftSettings: common),
    .target(
      name: "SoniqTestSupport", dependencies: ["SoniqCore", "SoniqKernels"], path: "Tests/SoniqTestSupport",
      swiftSettings: common),
    tests(
      "SoniqABITests", ["SoniqABI", "CSoniq", "CPlatform", "SoniqFormat", "SoniqGraph", "SoniqRuntime"],
      exclude: ["C", "run"]),
    tests("SoniqCoreTests", ["SoniqCore"]),
    tests("SoniqGraphTests", ["SoniqCore", "SoniqGraph"]),
    tests("SoniqMemoryTests", ["SoniqMemory"]),
    tests(
      "SoniqRuntimeTests",
      ["SoniqCore", "SoniqGraph", "SoniqKernels", "SoniqMemory", "SoniqRuntime", "CPlatform"]),
    tests(
      "SoniqKernelsTests",
      ["SoniqCore", "SoniqGraph", "SoniqKernels", "CKernelABI"]
        + architecture.twins.map { .init(stringLiteral: $0.name) },
      exclude: [architecture.name == "x86_64" ? "AArch64" : "X86_64"]),
    tests("SoniqFormatTests", ["SoniqCore", "SoniqGraph", "SoniqFormat", "SoniqText"], exclude: ["Golden"]),
    tests("SoniqQuantizersTests", ["SoniqCore", "SoniqGraph", "SoniqQuantizers"]),
    tests("SoniqOperatorsTests", ["SoniqOperators"]),
    tests("SoniqDecodingTests", ["SoniqDecoding"]),
    tests("SoniqTextTests", ["SoniqText"]),
    tests(
      "SoniqPackTests",
      ["SoniqCore", "SoniqGraph", "SoniqKernels", "SoniqQuantizers", "SoniqRuntime", "SoniqPack"]),
  ] + architecture.modules.map { kernels($0.name, $0.machine, isSmall: $0.name == "KernelsPortable") }
    + architecture.twins.map { kernels($0.name, path: "Tests/\($0.name)", $0.machine) }
)

// Tests and benchmarks run on the machine that builds them. Of another's, Tests/AArch64 and .ci/test-cross are the tests.
if foreignArchitecture != nil {
  package.targets.removeAll { $0.type == .test || ["group-bench", "tiny-model"].contains($0.name) }
}
