import SoniqGraph

/// Something as wide as an element, for operators that move elements and look at none.
package typealias MovedElement = FixedWidthInteger & SIMDScalar & BitwiseCopyable

/// An operator that moves elements of 1, 2 or 4 bytes: their width is all that it knows of their type.
package protocol ElementMover: TensorOperator {
  var width: ElementWidth { get }
  func move<Element: MovedElement>(_ frame: OperatorFrame, _ range: Range<Int>, _ type: Element.Type)
}

extension ElementMover {
  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    switch width {
    case .one: move(frame, range, UInt8.self)
    case .two: move(frame, range, UInt16.self)
    case .four: move(frame, range, UInt32.self)
    }
  }
}

package enum ElementWidth: Int, BitwiseCopyable {
  case one = 1
  case two = 2
  case four = 4
}

extension ElementType {
  var width: ElementWidth {
    switch self {
    case .float32, .int32: .four
    case .float16: .two
    case .int8, .uint8: .one
    }
  }
}
