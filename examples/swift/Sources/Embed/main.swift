import CSoniq

// Sentence embedding from Swift through the C interface.
//
//   PKG_CONFIG_PATH=PREFIX/lib/pkgconfig swift run embed model.soniq

guard CommandLine.arguments.count == 2 else {
  print("usage: embed model.soniq")
  throw SoniqError(status: 0, description: "no model given")
}
let model = try Model(path: CommandLine.arguments[1])
let session = try Session(model)
let output = try model.output("sentence_embedding")
let embedding = try session.embed([1, 17, 23, 42, 2], output: output)
let square = embedding.reduce(0) { $0 + $1 * $1 }
print("soniq \(String(cString: soniq_version())): \(embedding.count) numbers, squared length \(square)")
guard abs(square - 1) < 1e-3 else { throw SoniqError(status: 0, description: "the length is not 1") }
