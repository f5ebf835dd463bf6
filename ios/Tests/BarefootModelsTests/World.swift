// What every test stands on: the real core, a vault and settings in memory, a folder that goes with the test.

import Foundation
import XCTest

@testable import Barefoot
@testable import BarefootModels

/// A vault as a phone's Keychain behaves: kept once, given back.
final class MemoryVault: KeyVault, @unchecked Sendable {
  private let lock = NSLock()
  private var secret: Data?

  func load() throws -> Data? { lock.withLock { secret } }

  func save(secret: Data) throws {
    try lock.withLock {
      if self.secret != nil { throw VaultError.Unavailable }
      self.secret = secret
    }
  }
}

@MainActor
final class MemorySettings: Settings {
  var server = ""
}

/// The repository, or a copy of what the tests read of it.
let repository = URL(fileURLWithPath: ProcessInfo.processInfo.environment["BAREFOOT_REPOSITORY"] ?? "..")

func sample() throws -> Data { try Data(contentsOf: repository.appendingPathComponent("docs/sample.jpg")) }

/// One phone: its folder, its vault.
@MainActor
final class Phone {
  private static let core = Result { (try Encyclopedia.builtIn(), try Assessor.builtIn()) }
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
  private let vault = MemoryVault()
  let settings = MemorySettings()

  init(_ test: XCTestCase) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let folder = folder
    test.addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
  }

  /// A hospital's root, long past its grace period: whoever has no credential is locked out of answers.
  func trust() throws {
    let root = repository.appendingPathComponent("tests/data/trust/root-of-2020.json")
    try FileManager.default.copyItem(at: root, to: folder.appendingPathComponent("trust.json"))
  }

  func session(_ language: Language = .zh) throws -> Session {
    let (encyclopedia, assessor) = try Self.core.get()
    return Session(
      encyclopedia: encyclopedia, assessor: assessor, folder: folder, vault: vault,
      settings: settings, language: language)
  }

  /// A session behind the door, which the phone's key opens.
  func opened(_ language: Language = .zh) async throws -> (Session, Home) {
    let session = try session(language)
    let door = try at(session, Place.door)
    await door.ask()
    await door.open(needed: "needed")
    return (session, try at(session, Place.home))
  }
}

extension Place {
  fileprivate var model: Any? { Mirror(reflecting: self).children.first?.value }
}

/// The model of the place where the doctor is, which must be of this kind.
@MainActor
func at<Model: AnyObject>(
  _ session: Session, _ kind: (Model) -> Place, file: StaticString = #filePath, line: UInt = #line
) throws -> Model {
  let here = session.path.here
  return try XCTUnwrap(here.model as? Model, "at \(here)", file: file, line: line)
}

/// What was loaded; a failure says why it was not.
func loaded<Value>(_ load: Load<Value>, file: StaticString = #filePath, line: UInt = #line) throws -> Value {
  try XCTUnwrap(load.value, "\(load)", file: file, line: line)
}
