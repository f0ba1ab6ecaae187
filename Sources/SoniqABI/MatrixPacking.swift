import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Float weights to a packed matrix.
struct MatrixPacking {
  let matrix: PackedMatrix
  /// Owns the bytes of `matrix`.
  let store = ConstantStore()

  /// Quantises [outputs][inputs] floats, row-major, whose sizes `checkSizes` has passed.
  ///
  /// - Throws: data for a number that is not finite, unsupported for too many channels of a level.
  init(
    weights: UnsafePointer<Float>, outputs: Int, inputs: Int, options: MatrixOptions
  ) throws(Failure) {
    var runs: [QuantizedRun] = []
    for (index, level) in options.levels.enumerated() {
      let channels = options.channels[index]
      let values = try Self.gather(weights, outputs: outputs, inputs: inputs, channels: channels)
      do throws(QuantizationError) {
        let quantizer = try MatrixQuantizer(level: level)
        let result = values.withUnsafeBufferPointer { buffer in
          Result { () throws(QuantizationError) in
            try quantizer.quantize(weights: buffer, outputs: outputs, channels: channels.count)
          }
        }
        runs.append(try result.get())
      } catch { throw Failure(error) }
    }
    let order = options.channels.flatMap { $0 }
    do throws(QuantizationError) {
      matrix = try PackedMatrixBuilder(store: store).matrix(
        outputs: outputs, runs: runs, gather: options.levels.count > 1 ? order.map { UInt32($0) } : nil,
        bias: options.bias)
    } catch { throw Failure(error) }
  }

  /// Checks sizes before anything is read or allocated.
  static func checkSizes(outputs: Int, inputs: Int, levels: [Level]) throws(Failure) {
    guard outputs > 0, outputs <= 1 << 28 else { throw .argument("outputs", "is not in 1..2^28") }
    guard inputs > 0, inputs <= 1 << 28 else { throw .argument("inputs", "is not in 1..2^28") }
    for level in levels where levels.count == 1 && inputs > level.maximumChannels {
      throw Failure(
        .unsupported, "inputs is \(inputs); above \(level.maximumChannels) a sum could leave 32 bits",
        field: "inputs")
    }
  }

  private static func gather(
    _ weights: UnsafePointer<Float>, outputs: Int, inputs: Int, channels: [Int]
  ) throws(Failure) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(outputs * channels.count)
    for output in 0..<outputs {
      let row = weights + output * inputs
      for channel in channels {
        guard row[channel].isFinite else {
          throw Failure(
            .data, "weights[\(output)][\(channel)] is not a finite number", field: "weights",
            offset: nil)
        }
        values.append(row[channel])
      }
    }
    return values
  }
}
