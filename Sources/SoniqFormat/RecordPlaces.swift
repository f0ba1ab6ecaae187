/// Where the records of a file lie: byte offsets for errors that name an index.
struct RecordPlaces {
  var nodes: [Int] = []
  var constants: [Int] = []
  var values: [Int] = []
  /// Of the tables.
  var interface = 0
  var symbols = 0
  var sizes = 0
  var states: [Int] = []
}
