import Foundation
import XCTest

@testable import Barefoot
@testable import BarefootModels

/// What goes on beside the screens: assessments that are stopped, records that are locked, sync.
@MainActor
final class SessionTests: XCTestCase, @unchecked Sendable {
  func testACancelledAssessmentOpensNothing() async throws {
    let (session, home) = try await Phone(self).opened()
    home.examine()
    let examination = try at(session, Place.examination)
    examination.text = "黑痣"
    try await whileBusy(session.assessor) {
      examination.assess(needed: "needed")
      XCTAssertTrue(examination.working)
      let job = try XCTUnwrap(examination.job)
      examination.cancel(stopped: "stopped")
      return job
    }
    XCTAssertFalse(examination.working)
    XCTAssertEqual(examination.failure, "stopped")
    XCTAssertEqual(session.path.here, .examination(examination))

    examination.assess(needed: "needed")
    await examination.job?.value
    XCTAssertNil(examination.failure)
    _ = try at(session, Place.answer)
  }

  func testAnAnswerThatComesAfterTheRecordsWereLockedIsNotShown() async throws {
    let (session, home) = try await Phone(self).opened()
    home.examine()
    let examination = try at(session, Place.examination)
    examination.text = "黑痣"
    try await whileBusy(session.assessor) {
      examination.assess(needed: "needed")
      await session.lock()
      return try XCTUnwrap(examination.job)
    }
    XCTAssertNil(session.clinic)
    _ = try at(session, Place.door)
  }

  func testTheCoreOpensWithTheRecordsClosed() async throws {
    let session = try await Session.open(
      folder: URL(fileURLWithPath: "/dev/null/clinic"), vault: MemoryVault(), settings: MemorySettings(), language: .en)
    XCTAssertNil(session.clinic)
    let door = try at(session, Place.door)
    await door.open(needed: "needed")
    XCTAssertEqual(session.path.here, .door(door))
    XCTAssertTrue(door.failure?.contains("disk") ?? false, "\(String(describing: door.failure))")
  }

  func testRecordsThatAreLockedMeanwhileSayNothing() async throws {
    let (session, home) = try await Phone(self).opened()
    home.patients()
    let patients = try at(session, Place.patients)
    await session.lock()
    await patients.look()
    XCTAssertNil(patients.found.value)
  }

  func testWhatThePatientAgreesToWaitsForTheServer() async throws {
    let (session, home) = try await Phone(self).opened()
    home.patients()
    try at(session, Place.patients).add()
    let form = try at(session, Place.patientForm)
    form.name = "赵六"
    await form.save()
    let record = try at(session, Place.patientRecord)
    await record.read()
    XCTAssertEqual(try loaded(record.consents), false)

    home.sync()
    let state = try at(session, Place.sync)
    await state.count()
    XCTAssertEqual(try loaded(state.counts).waiting, 0)
    XCTAssertGreaterThan(try loaded(state.counts).heldBack, 0)
    await record.consent(true)
    XCTAssertEqual(try loaded(record.consents), true)
    await state.count()
    XCTAssertGreaterThan(try loaded(state.counts).waiting, 0)
    XCTAssertEqual(try loaded(state.counts).heldBack, 0)
  }

  func testASyncSaysWhatIsMissingInTheReadersLanguage() async throws {
    for (language, words) in [(Language.zh, "没有应答"), (.en, "does not answer")] {
      let phone = try Phone(self)
      let (session, home) = try await phone.opened(language)
      home.sync()
      let state = try at(session, Place.sync)
      state.sync(needed: "needed")
      XCTAssertEqual(state.failure, "needed")
      XCTAssertFalse(state.running)
      // Port 1 of this machine: nothing listens there.
      state.server = " http://127.0.0.1:1/fhir "
      state.sync(needed: "needed")
      XCTAssertTrue(state.running)
      await state.job?.value
      XCTAssertTrue(state.failure?.contains(words) ?? false, "\(String(describing: state.failure))")
      XCTAssertNil(state.done)
      XCTAssertFalse(state.running)
      XCTAssertEqual(phone.settings.server, "http://127.0.0.1:1/fhir")
    }
  }

  func testASyncThatWaitsForAnAnswerCanBeStopped() async throws {
    let (session, home) = try await Phone(self).opened()
    let server = try SilentServer()
    home.sync()
    let state = try at(session, Place.sync)
    state.server = server.address
    state.sync(needed: "needed")
    let job = try XCTUnwrap(state.job)
    await server.asked()
    await state.cancel(stopped: "stopped")
    XCTAssertFalse(state.running)
    server.hangUp()
    await job.value
    XCTAssertFalse(state.running)
    XCTAssertEqual(state.failure, "stopped")
    XCTAssertNil(state.done)
  }

  func testWhatWaitsIsSentWhenThereIsANetwork() async throws {
    let phone = try Phone(self)
    let session = try phone.session()
    let service = SyncService(session)
    let door = try at(session, Place.door)
    await door.ask()
    await door.open(needed: "needed")
    XCTAssertTrue(service.waits, "the records may hold what was not sent yet")
    XCTAssertNil(service.job, "there is no network")
    service.network(true)
    await service.job?.value
    XCTAssertFalse(service.waits, "without a server nothing is sent")

    phone.settings.server = "http://127.0.0.1:1/fhir"
    service.network(false)
    session.recorded()
    XCTAssertNil(service.job)
    service.network(true)
    await service.job?.value
    XCTAssertTrue(service.waits, "a server that does not answer is asked again")
    XCTAssertNil(service.job)

    await session.lock()
    let well = await service.run()
    XCTAssertTrue(well, "nothing to do while locked")
  }

  /// Does something while another assessment holds the assessor, so that one that is begun meanwhile cannot be done before; gives the
  /// assessor free, and waits for the task that comes back.
  private func whileBusy(_ assessor: Assessor, _ act: () async throws -> Task<Void, Never>) async throws {
    let gate = Gate()
    let job = assessor.begin(request: AssessmentRequest(text: "黑痣"))
    DispatchQueue.global().async { _ = try? job.run(listener: gate) }
    await gate.reached()
    let task: Task<Void, Never>
    do {
      defer { gate.open() }
      task = try await act()
    }
    await task.value
  }
}

/// Holds the job that reports to it until it is opened.
private final class Gate: ProgressListener {
  private let here = DispatchSemaphore(value: 0)
  private let way = DispatchSemaphore(value: 0)

  func onProgress(done: UInt64, total: UInt64) throws {
    guard done == 0 else { return }
    here.signal()
    way.wait()
  }

  func reached() async { await blocking { self.here.wait() } }

  func open() { way.signal() }
}

/// Takes one connection and never answers. Its methods are called one after the other.
private final class SilentServer: @unchecked Sendable {
  private let socket: Int32
  private var connection: Int32 = -1
  let address: String

  init() throws {
    #if os(Linux)
      socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = socket
    let well = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && listen(socket, 1) == 0 && getsockname(socket, $0, &length) == 0
      }
    }
    address = "http://127.0.0.1:\(UInt16(bigEndian: name.sin_port))/fhir"
    if !well { throw POSIXError(.EADDRNOTAVAIL) }
  }

  /// Somebody has connected.
  func asked() async {
    await blocking { self.connection = accept(self.socket, nil, nil) }
  }

  func hangUp() {
    close(connection)
  }

  deinit { close(socket) }
}

private func blocking(_ work: @escaping @Sendable () -> Void) async {
  await withCheckedContinuation { continuation in
    DispatchQueue.global().async {
      work()
      continuation.resume()
    }
  }
}
