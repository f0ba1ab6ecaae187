package import SoniqMemory
import SoniqGraph

/// The states of one text, which decoders of the same model go on with. One thread at a time.
package final class Sequence {
  package let model: Model
  package let capacity: Int
  let states: SessionStates
  private let arena: MemoryArena
  private let memory: PlanMemory

  /// Takes memory for all positions.
  ///
  /// - Parameters:
  ///   - model: a decoder.
  ///   - capacity: positions; 0: the most that the model allows.
  ///   - allocator: the host's; nil: an arena of its own.
  /// - Throws: `notADecoder`, `invalidOption`, `workspaceTooLarge`, `outOfMemory`, `misalignedAllocator`.
  package init(_ model: Model, capacity: Int, allocator: AllocatorHooks?) throws(RuntimeError) {
    let form = try DecoderForm(model)
    self.model = model
    self.capacity = try form.capacity(capacity)
    do throws(MemoryError) { arena = try MemoryArena(hooks: allocator) } catch { throw RuntimeError(error) }
    memory = PlanMemory(arena)
    states = try SessionStates(
      model.description.graph, model.description.graph.states,
      maximums: try Self.maximums(form, model, self.capacity), memory: memory, arena: arena)
  }

  private static func maximums(
    _ form: DecoderForm, _ model: Model, _ capacity: Int
  ) throws(RuntimeError) -> [Int] {
    var options = SessionOptions()
    options.maximums = form.maximums(capacity: capacity)
    return try SessionSizes.maximums(model.description.graph, options)
  }

  /// Bytes of the states of a sequence.
  ///
  /// - Throws: `notADecoder`, `invalidOption`, `workspaceTooLarge`.
  package static func byteCount(_ model: Model, capacity: Int) throws(RuntimeError) -> Int {
    let form = try DecoderForm(model)
    let maximums = try maximums(form, model, form.capacity(capacity))
    let graph = model.description.graph
    return try StateLayout(graph.states, rows: graph.growingRows, maximums: maximums).byteCount
  }

  /// Positions that it holds.
  package var length: Int { states.storages[0].length }

  /// Forgets all positions from `length` on; there are so many.
  ///
  /// - Throws: `invalidArgument`.
  package func truncate(to length: Int) throws(RuntimeError) { try states.truncate(to: length) }

  /// Makes the first positions of another sequence of the same model all that this one has.
  ///
  /// - Throws: `invalidArgument`, `capacityExceeded`. This sequence is then as before.
  package func copy(_ source: Sequence, length: Int) throws(RuntimeError) {
    guard (0...source.length).contains(length) else {
      throw RuntimeError(.invalidArgument, subject: "length", actual: length, expected: source.length)
    }
    guard length <= capacity else {
      throw RuntimeError(
        .capacityExceeded, subject: states.list[0].name, actual: length, expected: capacity)
    }
    states.take(source.states, length: length)
  }

  package var copyByteCount: Int { states.copyByteCount }

  /// Writes it for `load`.
  ///
  /// - Throws: `invalidArgument`.
  package func save(to target: UnsafeMutableRawBufferPointer) throws(RuntimeError) {
    try states.copy(to: target, identity: model.description.identity)
  }

  /// Makes what `save` has written this sequence.
  ///
  /// - Throws: `invalidStates`, `statesOfAnotherModel`, `capacityExceeded`, `dimensionTooLarge`. It is then as before.
  package func load(from source: UnsafeRawBufferPointer) throws(RuntimeError) {
    try states.restore(from: source, identity: model.description.identity)
  }
}
