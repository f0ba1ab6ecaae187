import SoniqCore
import SoniqPack
import Testing

@Suite struct PaletteTests {
  @Test func bareNumbersAreWeightBits() throws {
    let palette = try Palette("4,8")
    #expect(palette.levels.map(\.spelling) == ["w4a8", "w8a8"])
    #expect(palette.levels[0].weight == .bipolar(4))
    #expect(palette.levels[1].weight == .symmetric(8))
    #expect(palette.levels.allSatisfy { $0.activation.kind == .affine && $0.activation.bits == 8 })
  }

  @Test func bothSidesCanBeSpelled() throws {
    let palette = try Palette("w4a4+w1a1")
    #expect(palette.levels.map(\.spelling) == ["w1a1", "w4a4"])
    #expect(palette.levels.allSatisfy { $0.activation.kind == .bipolar })
    #expect(try Palette("f32").isFloat)
    #expect(try Palette("w4a8").levels.count == 1)
  }

  @Test func groupsCanBeSpelled() throws {
    let palette = try Palette("4g64")
    #expect(palette.groups == GroupForm(bits: 4, length: 64))
    #expect(palette.levels.map(\.spelling) == ["w4a8"] && !palette.hasTwoLevels && !palette.isFloat)
    #expect(try Palette("4").groups == nil)
  }

  @Test(arguments: [
    "4g", "g32", "1g32", "9g32", "4g48", "4g032", "4g32,8", "4g32g32", "4g+32", "w4g32", "", "9", "0", "4,",
    "4,4", "2,4,8", "w4", "wa", "w4a9", "a4w4", "f16", "4 8", "-4", "w4a",
  ])
  func nonsenseIsRefused(text: String) {
    #expect { _ = try Palette(text) } throws: { error in
      guard let error = error as? PackError else { return false }
      return error.kind == .usage && error.description.contains("palette \"\(text)\"")
        && error.description.contains("w1a1+w4a4")
    }
  }
}
