import Foundation
import XCTest

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Both languages say everything, in the same words as on Android, and every text can be read on its ground.
final class StringsTests: XCTestCase {
  private let app = repository.appendingPathComponent("ios/App")

  /// Texts by name, one for each plural form.
  private typealias Texts = [String: [String: String]]

  private func catalog(_ file: String, _ language: String) throws -> Texts {
    let data = try Data(contentsOf: app.appendingPathComponent(file))
    let catalog = try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
    let strings = try XCTUnwrap(catalog["strings"] as? [String: [String: Any]])
    return try strings.mapValues { entry in
      let languages = try XCTUnwrap(entry["localizations"] as? [String: [String: Any]])
      XCTAssertEqual(Set(languages.keys), ["en", "zh-Hans"])
      let text = try XCTUnwrap(languages[language])
      let variations = text["variations"] as? [String: [String: [String: Any]]]
      return try (variations?["plural"] ?? ["": text]).mapValues {
        try XCTUnwrap(($0["stringUnit"] as? [String: String])?["value"])
      }
    }
  }

  /// The views' sources.
  private func sources() throws -> [String] {
    let files = try XCTUnwrap(FileManager.default.enumerator(at: app, includingPropertiesForKeys: nil))
    return try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map {
      try String(contentsOf: $0, encoding: .utf8)
    }
  }

  func testEveryTextThatIsShownIsInTheCatalogAndNoOther() throws {
    var used: Set<String> = []
    for source in try sources() {
      // A key that is put together could not be looked for.
      let calls = source.matches(of: /[^a-zA-Z.]words\(\s*(?<key>"[a-z_]+")?/)
      for call in calls where !source[..<call.range.lowerBound].hasSuffix("func") {
        used.insert(String(try XCTUnwrap(call.output.key, "a text without a plain name").dropFirst().dropLast()))
      }
      XCTAssertNil(
        source.firstMatch(of: /(Text|Button|Label|navigationTitle|Section)\("/),
        "a text outside the catalog")
    }
    XCTAssertGreaterThan(used.count, 100)
    for language in ["en", "zh-Hans"] { XCTAssertEqual(Set(try catalog("Localizable.xcstrings", language).keys), used) }
  }

  func testBothLanguagesHaveTheSameBlanks() throws {
    func blanks(_ forms: [String: String]) -> [Set<Substring>] {
      Set(forms.values.map { Set($0.matches(of: /%(?:\d\$)?(?:@|lld)/).map(\.output)) }).sorted { $0.count < $1.count }
    }
    for file in ["Localizable.xcstrings", "InfoPlist.xcstrings"] {
      let chinese = try catalog(file, "zh-Hans")
      for (name, forms) in try catalog(file, "en") {
        XCTAssertEqual(blanks(forms), blanks(chinese[name] ?? [:]), name)
      }
    }
  }

  func testChineseTextsAreChinese() throws {
    for (name, forms) in try catalog("Localizable.xcstrings", "zh-Hans") {
      for text in forms.values where !["、", "%1$lld. %2$@"].contains(text) {
        XCTAssertNotNil(text.firstMatch(of: /\p{Script=Han}/), name)
      }
    }
  }

  func testTheTextsAreThoseOfAndroid() throws {
    for (folder, language) in [("values", "en"), ("values-zh", "zh-Hans")] {
      let file = repository.appendingPathComponent("android/app/src/main/res/\(folder)/strings.xml")
      let android = try AndroidTexts(Data(contentsOf: file)).texts
      for (name, forms) in try catalog("Localizable.xcstrings", language) { XCTAssertEqual(forms, android[name], name) }
    }
  }

  func testTheSystemIsAskedForWhatTheAppUses() throws {
    let plist = try PropertyListSerialization.propertyList(
      from: Data(contentsOf: app.appendingPathComponent("Info.plist")), format: nil)
    let info = try XCTUnwrap(plist as? [String: Any])
    let tasks = try XCTUnwrap(info["BGTaskSchedulerPermittedIdentifiers"] as? [String])
    XCTAssertEqual(tasks.count, 1)
    XCTAssertTrue(try sources().contains { $0.contains("static let task = \"\(tasks[0])\"") })
    for (name, forms) in try catalog("InfoPlist.xcstrings", "en") { XCTAssertEqual(info[name] as? String, forms[""]) }
  }

  /// WCAG 2.2, success criterion 1.4.3: 4.5 to 1.
  func testLevelsCanBeReadByDayAndByNight() throws {
    for level in ["e", "u", "r", "p"] {
      let grounds = try luminances("level_\(level)")
      let inks = try luminances("on_level_\(level)")
      XCTAssertEqual(grounds.count, 2)
      for (ground, ink) in zip(grounds, inks) {
        XCTAssertGreaterThanOrEqual((max(ground, ink) + 0.05) / (min(ground, ink) + 0.05), 4.5, level)
      }
    }
  }

  /// Relative luminance (WCAG 2.2) by day and by night.
  private func luminances(_ colour: String) throws -> [Double] {
    let file = app.appendingPathComponent("Colours.xcassets/\(colour).colorset/Contents.json")
    let set = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    return try XCTUnwrap(set["colors"] as? [[String: Any]]).map { one in
      let parts = try XCTUnwrap((one["color"] as? [String: Any])?["components"] as? [String: String])
      return try zip(["red", "green", "blue"], [0.2126, 0.7152, 0.0722]).reduce(0) { sum, part in
        let value = Double(try XCTUnwrap(parts[part.0].flatMap { Int($0.dropFirst(2), radix: 16) })) / 255
        return sum + part.1 * (value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4))
      }
    }
  }
}

/// The texts of Android's strings.xml, with Swift's blanks.
private final class AndroidTexts: NSObject, XMLParserDelegate {
  private(set) var texts: [String: [String: String]] = [:]
  private var name: String?
  private var quantity = ""
  private var text = ""

  init(_ data: Data) throws {
    super.init()
    let parser = XMLParser(data: data)
    parser.delegate = self
    if !parser.parse() { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
  }

  func parser(
    _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String] = [:]
  ) {
    name = attributes["name"] ?? name
    quantity = attributes["quantity"] ?? ""
    text = ""
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

  func parser(_ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?) {
    guard let name, element == "string" || element == "item" else { return }
    // Quotes keep spaces at the ends.
    if text.hasPrefix("\""), text.hasSuffix("\"") { text = String(text.dropFirst().dropLast()) }
    let plain = text.replacing("\\'", with: "'")
    texts[name, default: [:]][quantity] = plain.replacing(/%(\d\$)?([sd])/) {
      "%\($0.1 ?? "")\($0.2 == "s" ? "@" : "lld")"
    }
  }
}
