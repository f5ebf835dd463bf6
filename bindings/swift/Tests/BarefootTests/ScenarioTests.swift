// Drives tests/scenarios through the Swift bindings. `cargo xtask test swift` runs it; docs/bindings.md describes the steps.

import Foundation
import XCTest

@testable import Barefoot

private final class Vault: KeyVault, @unchecked Sendable {
  var broken = false
  private var secret: Data?

  func load() throws -> Data? {
    if broken { throw VaultError.Unavailable }
    return secret
  }

  func save(secret: Data) throws {
    self.secret = secret
  }
}

private final class Heard: ProgressListener, @unchecked Sendable {
  var steps: [Any] = []
  private let cancelAt: UInt64?
  private let cancel: () -> Void

  init(_ cancelAt: UInt64?, _ cancel: @escaping () -> Void) {
    self.cancelAt = cancelAt
    self.cancel = cancel
  }

  func onProgress(done: UInt64, total: UInt64) throws {
    steps.append(["done": Double(done), "total": Double(total)])
    if let cancelAt, done >= cancelAt { cancel() }
  }
}

private struct Failure: Error {
  let words: String
}

private final class World {
  private let repository: URL
  private let folder: URL
  private let vault = Vault()
  private let encyclopedia: Encyclopedia
  private let assessor: Assessor
  private var clinic: Clinic!
  private var assessed: Assessed!
  private var heard: [Any] = []

  init(_ repository: URL, _ folder: URL) throws {
    self.repository = repository
    self.folder = folder
    encyclopedia = try .builtIn()
    assessor = try .builtIn()
  }

  private func watched<T>(_ with: [String: Any], _ cancel: @escaping () -> Void, _ run: (ProgressListener) throws -> T) rethrows -> T {
    let listener = Heard((with["cancel_at"] as? NSNumber)?.uint64Value, cancel)
    defer { heard = listener.steps }
    return try run(listener)
  }

  func call(_ name: String, _ with: [String: Any]) throws -> Any? {
    func some(_ key: String) -> String? { with[key] as? String }
    func text(_ key: String) -> String { some(key) ?? "" }
    let limit = (with["limit"] as? NSNumber)?.uint32Value ?? 20
    let age = (with["age_years"] as? NSNumber)?.doubleValue
    let sex: Sex? = some("sex").map { $0 == "female" ? .female : .male }
    let place = folder.appendingPathComponent("clinic").path
    func path(_ key: String) -> String { folder.appendingPathComponent(text(key)).path }
    func patient() -> NewPatient {
      NewPatient(
        name: text("name"), birthDate: some("birth_date"), ageYears: age, sex: some("sex"), phone: some("phone"),
        village: some("village"))
    }
    func purpose() -> Use { text("use") == "care" ? .care : text("use") == "teaching" ? .teaching : .modelTraining }

    switch name {
    case "encyclopedia.search": return try encyclopedia.search(query: text("query"), limit: limit)
    case "encyclopedia.article": return try encyclopedia.article(slug: text("slug"))
    case "encyclopedia.findings": return try encyclopedia.findings()
    case "encyclopedia.drawing": return try encyclopedia.drawing(id: text("id"))
    case "assessor.triage": return try assessor.triage(complaint: text("complaint"), ageYears: age.map { Float($0) }, sex: sex)
    case "assessor.lupus_score": return try assessor.lupusScore(text: text("text"))
    case "assessor.assess":
      let photos = try (with["photos"] as? [String] ?? []).map { try Data(contentsOf: repository.appendingPathComponent($0)) }
      let job = assessor.begin(
        request: AssessmentRequest(photos: photos, text: text("text"), ageYears: age.map { Float($0) }, sex: sex, site: some("site")),
        clinic: clinic)
      assessed = try watched(with, job.cancel) { try job.run(listener: $0) }
      return assessed.assessment()
    case "assessed.heat_map": return try assessed.heatMap()
    case "assessor.record": return try assessor.record(clinic: clinic, assessed: assessed, patientId: some("patient_id"))
    case "job.progress": return heard
    case "clinic.sign_in": return try signIn(folder: place, vault: vault)
    case "clinic.open":
      let how: Unlock =
        switch text("way") {
        case "pin": .pin(doctor: text("doctor"), pin: text("pin"))
        case "recovery": .recovery(phrase: text("phrase"))
        default: .device
        }
      clinic = try .open(folder: place, vault: vault, how: how)
      return nil
    case "clinic.lock":
      clinic.lock()
      return nil
    case "clinic.author": return try clinic.author()
    case "clinic.add_doctor": return try clinic.addDoctor(vault: vault, name: text("name"), pin: text("pin"))
    case "clinic.new_recovery_phrase":
      return try clinic.newRecoveryPhrase(language: text("language") == "english" ? .english : .chinese)
    case "clinic.patients": return try clinic.patients(limit: limit)
    case "clinic.find_patients": return try clinic.findPatients(query: text("query"), limit: limit)
    case "clinic.patient": return try clinic.patient(id: text("id"))
    case "clinic.add_patient": return try clinic.addPatient(new: patient())
    case "clinic.update_patient":
      try clinic.updatePatient(id: text("id"), new: patient())
      return nil
    case "clinic.encounters_of": return try clinic.encountersOf(patient: text("patient"), limit: limit)
    case "clinic.encounter": return try clinic.encounter(id: text("id"))
    case "clinic.thumbnail": return try clinic.thumbnail(id: text("id"))
    case "clinic.add_diagnosis":
      return try clinic.addDiagnosis(
        encounter: text("encounter"), disease: some("disease"), words: text("words"), certainty: text("certainty"))
    case "clinic.set_consent":
      try clinic.setConsent(subject: text("subject"), purpose: purpose(), granted: with["granted"] as? Bool ?? false)
      return nil
    case "clinic.has_consent": return try clinic.hasConsent(subject: text("subject"), purpose: purpose())
    case "clinic.page":
      let language: PageLanguage = text("language") == "english" ? .english : .chinese
      return try clinic.page(encounter: text("encounter"), language: language, encyclopedia: encyclopedia)
    case "clinic.backup":
      let job = clinic.beginBackup(file: path("file"))
      return try watched(with, job.cancel) { try job.run(listener: $0) }
    case "sync.run":
      let job = Sync(clinic: clinic, encyclopedia: encyclopedia).begin(server: SyncServer(address: text("address")))
      if with["cancelled"] as? Bool ?? false { job.cancel() }
      return try job.run(listener: nil)
    case "sync.deliveries": return try Sync(clinic: clinic, encyclopedia: encyclopedia).deliveries()
    case "folder.holds": return FileManager.default.fileExists(atPath: path("file"))
    case "folder.put":
      try FileManager.default.copyItem(atPath: repository.appendingPathComponent(text("from")).path, toPath: path("file"))
      return nil
    case "vault.break":
      vault.broken = true
      return nil
    default: throw Failure(words: "no such call: \(name)")
    }
  }
}

/// A result as JSON would hold it: numbers as Double, enum values by name, bytes as their length and their first four.
private func shown(_ value: Any?) -> Any? {
  guard let value else { return nil }
  switch value {
  case let yes as Bool: return yes
  case let text as String: return text
  case let number as Double: return number
  case let number as Float: return Double(number)
  case let number as any BinaryInteger: return Double(Int64(number))
  case let bytes as Data: return ["length": Double(bytes.count), "head": bytes.prefix(4).map { String(format: "%02x", $0) }.joined()]
  case let list as [Any]: return list.map { shown($0) ?? NSNull() }
  case let map as [String: Any]: return map
  default: break
  }
  let mirror = Mirror(reflecting: value)
  switch mirror.displayStyle {
  case .optional: return shown(mirror.children.first?.value)
  case .enum: return String(describing: value)
  default:
    var fields: [String: Any] = [:]
    for case (let label?, let field) in mirror.children {
      if let field = shown(field) { fields[snake(label)] = field }
    }
    return fields
  }
}

private func snake(_ camel: String) -> String {
  camel.reduce(into: "") { name, letter in name += letter.isUppercase ? "_" + letter.lowercased() : String(letter) }
}

private func at(_ value: Any?, _ path: String) -> Any? {
  let found = path.split(separator: ".").reduce(value) { value, part in
    if let list = value as? [Any] { return Int(part).flatMap { $0 < list.count ? list[$0] : nil } }
    return (value as? [String: Any])?[String(part)]
  }
  return found is NSNull ? nil : found
}

private func plain(_ name: Any?) -> String? {
  (name as? String)?.replacingOccurrences(of: "_", with: "").lowercased()
}

private func holds(_ check: [String: Any], _ found: Any?) -> Bool {
  check.allSatisfy { key, wanted in
    let number = found as? Double
    let wish = (wanted as? NSNumber)?.doubleValue
    switch key {
    case "path": return true
    case "is":
      if let found = found as? Bool { return found == wanted as? Bool }
      if let number { return number == wish }
      return found as? String == wanted as? String && found != nil
    case "variant": return plain(found) == plain(wanted)
    case "at_least": return number.map { $0 >= wish! } ?? false
    case "at_most": return number.map { $0 <= wish! } ?? false
    case "length": return Double((found as? [Any])?.count ?? (found as? String)?.count ?? -1) == wish
    case "contains": return (found as? String)?.contains(wanted as! String) ?? false
    case "exists": return (found != nil) == (wanted as! Bool)
    default: return false
    }
  }
}

private func filled(_ value: Any, _ saved: [String: Any]) throws -> Any {
  switch value {
  case let text as String where text.hasPrefix("$"):
    guard let known = saved[String(text.dropFirst())] else { throw Failure(words: "\(text) was not saved") }
    return known
  case let list as [Any]: return try list.map { try filled($0, saved) }
  case let map as [String: Any]: return try map.mapValues { try filled($0, saved) }
  default: return value
  }
}

final class ScenarioTests: XCTestCase {
  private static let repository = URL(fileURLWithPath: ProcessInfo.processInfo.environment["BAREFOOT_REPOSITORY"] ?? ".")

  func testSearch() throws { try run("search") }
  func testDiagnose() throws { try run("diagnose") }
  func testRecord() throws { try run("record") }
  func testLock() throws { try run("lock") }
  func testErrors() throws { try run("errors") }
  func testProgress() throws { try run("progress") }
  func testCancel() throws { try run("cancel") }
  func testStanding() throws { try run("standing") }
  func testSync() throws { try run("sync") }

  func testEveryScenarioIsRun() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.repository.appendingPathComponent("tests/scenarios").path)
    let known = ["cancel", "diagnose", "errors", "lock", "progress", "record", "search", "standing", "sync"].map { $0 + ".json" }
    XCTAssertEqual(files.sorted(), known)
  }

  func testCancellingTheTaskStopsTheJob() async throws {
    let assessor = try Assessor.builtIn()
    let photo = try Data(contentsOf: Self.repository.appendingPathComponent("docs/sample.jpg"))
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await assessor.assess(AssessmentRequest(photos: [photo], text: "黑痣"))
    }
    do {
      _ = try await task.value
      XCTFail("should be cancelled")
    } catch let error as BarefootError {
      XCTAssertEqual(error.code, "job.cancelled")
    }
    let answer = try await assessor.assess(AssessmentRequest(text: "黑痣"))
    XCTAssertFalse(answer.assessment().differential.isEmpty)
  }

  private func run(_ scenario: String) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = Self.repository.appendingPathComponent("tests/scenarios/\(scenario).json")
    let content = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as! [String: Any]
    let world = try World(Self.repository, folder)
    var saved: [String: Any] = [:]
    for (number, any) in (content["steps"] as! [[String: Any]]).enumerated() {
      let name = any["call"] as! String
      let place = "\(scenario), step \(number) (\(name))"
      let fails = any["fails"] as? String
      let found: Any?
      do {
        found = shown(try world.call(name, try filled(any["with"] ?? [:], saved) as! [String: Any]))
      } catch let error as BarefootError {
        XCTAssertEqual(error.code, fails, "\(place): \(error.en)")
        XCTAssertFalse(error.zh.isEmpty || error.en.isEmpty, "\(place): no sentence")
        if case .Cancelled = error { XCTAssertEqual(error.code, "job.cancelled", place) }
        continue
      }
      XCTAssertNil(fails, "\(place): should fail")
      for check in any["expect"] as? [[String: Any]] ?? [] {
        let check = try filled(check, saved) as! [String: Any]
        let value = at(found, check["path"] as! String)
        XCTAssertTrue(holds(check, value), "\(place): \(check), found \(String(describing: value))")
      }
      for (key, path) in any["save"] as? [String: String] ?? [:] { saved[key] = at(found, path) }
    }
  }
}
