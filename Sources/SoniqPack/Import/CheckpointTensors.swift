/// The tensors of a checkpoint, in one file or in several that an index lists.
package struct CheckpointTensors: Sendable {
  /// The file that stands for all: of tensors that are missing.
  private let main: String
  private let files: [TensorFile]
  /// The place among the files by the name of the tensor.
  private var places: [String: Int]

  /// Reads model.safetensors, or else the files of model.safetensors.index.json.
  /// - Throws: `noInput` for a missing file; `data` for an index that does not say what the files hold.
  package init(folder: String) throws(PackError) {
    let single = folder + "/model.safetensors"
    let index = single + ".index.json"
    guard !MappedFile.exists(single), MappedFile.exists(index) else {
      self.init(try TensorFile.safetensors(path: single))
      return
    }
    try self.init(index: index, folder: folder)
  }

  package init(_ file: TensorFile) {
    main = file.path
    files = [file]
    places = file.tensors.mapValues { _ in 0 }
  }

  private init(index path: String, folder: String) throws(PackError) {
    guard let members = try JSONValue.read(path: path)["weight_map"]?.object else {
      throw PackError(.data, file: path, place: "field weight_map", "missing, or no object")
    }
    var files: [TensorFile] = []
    var known: [String: Int] = [:]
    var places: [String: Int] = [:]
    for member in members {
      let place = "tensor \(member.key)"
      // A name, not a path: nothing outside the folder is read.
      guard let name = member.value.text, !name.isEmpty, !name.contains("/"), name != "..", name != "." else {
        throw PackError(.data, file: path, place: place, "no name of a file in the folder")
      }
      if known[name] == nil {
        known[name] = files.count
        files.append(try TensorFile.safetensors(path: folder + "/" + name))
      }
      guard let file = known[name], files[file].tensors[member.key] != nil else {
        throw PackError(.data, file: path, place: place, "\(name) does not hold it")
      }
      places[member.key] = file
    }
    for file in files {
      let unlisted = file.tensors.keys.filter { places[$0] == nil }.sorted()
      guard let first = unlisted.first else { continue }
      throw PackError(.data, file: file.path, place: "tensor \(first)", "is not in the index")
    }
    guard !files.isEmpty else { throw PackError(.data, file: path, place: "field weight_map", "empty") }
    (self.main, self.files, self.places) = (path, files, places)
  }

  package var names: some Collection<String> { places.keys }
  package var paths: [String] { files.map(\.path) }

  /// Those whose names begin with one of several texts.
  func beginning(with starts: [String]) -> CheckpointTensors {
    var some = self
    some.places = places.filter { place in starts.contains { place.key.hasPrefix($0) } }
    return some
  }

  package func has(_ name: String) -> Bool { places[name] != nil }

  /// nil when there is no such tensor.
  package func shape(_ name: String) -> [Int]? { places[name].flatMap { files[$0].tensors[name]?.shape } }

  /// Where a tensor lies; nil when there is no such tensor.
  func stored(_ name: String) -> (file: TensorFile, tensor: StoredTensor)? {
    places[name].flatMap { place in files[place].tensors[name].map { (files[place], $0) } }
  }

  /// The file that holds a tensor, for errors.
  package func path(of name: String) -> String { places[name].map { files[$0].path } ?? main }

  /// As `TensorFile.floats`.
  package func floats(_ name: String, shape: [Int]) throws(PackError) -> [Float] {
    guard let place = places[name] else {
      throw PackError(.data, file: main, place: "tensor \(name)", "missing")
    }
    return try files[place].floats(name, shape: shape)
  }
}
