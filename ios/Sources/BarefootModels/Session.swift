import Barefoot
import Foundation
import Observation

/// What the app holds: the core, the way through the screens, and the open records. Lives as long as the app.
@MainActor @Observable
public final class Session {
  let encyclopedia: Encyclopedia
  let assessor: Assessor

  /// Where the encrypted records lie.
  let folder: URL
  let vault: any KeyVault
  public let settings: any Settings
  public let language: Language
  let work = Work()

  /// The open records; `nil` while locked.
  private(set) var clinic: Clinic?

  /// Told when records have changed that may be sent.
  @ObservationIgnored public var onRecorded: @MainActor () -> Void = {}

  @ObservationIgnored public private(set) lazy var path = Path(start: .door(Door(self)))

  init(
    encyclopedia: Encyclopedia, assessor: Assessor, folder: URL, vault: any KeyVault, settings: any Settings,
    language: Language
  ) {
    self.encyclopedia = encyclopedia
    self.assessor = assessor
    self.folder = folder
    self.vault = vault
    self.settings = settings
    self.language = language
  }

  /// Opens the core, with the encyclopedia and the model that it carries. The records stay closed.
  public static func open(
    folder: URL, vault: any KeyVault, settings: any Settings, language: Language
  ) async throws -> Session {
    let (encyclopedia, assessor) = try await Work().run { (try Encyclopedia.builtIn(), try Assessor.builtIn()) }
    return Session(
      encyclopedia: encyclopedia, assessor: assessor, folder: folder, vault: vault, settings: settings,
      language: language)
  }

  /// Goes in with open records.
  func enter(_ clinic: Clinic) {
    self.clinic = clinic
    path.restart(.home(Home(self)))
    recorded()
  }

  /// Closes the records and goes to the door.
  func lock() async {
    guard let closing = clinic else { return }
    clinic = nil
    path.restart(.door(Door(self)))
    // Waits for a call under way.
    _ = try? await work.run { closing.lock() }
  }

  /// Sends what may leave and fetches answers; `nil` while locked or where no server is set. Stops with its task.
  func sync() async throws -> SyncReport? {
    guard let clinic, !settings.server.isEmpty else { return nil }
    return try await Sync(clinic: clinic, encyclopedia: encyclopedia).run(with: SyncServer(address: settings.server))
  }

  /// Records have changed.
  func recorded() { onRecorded() }

  func pick(_ text: Bilingual) -> String { pick(text.zh, text.en) }

  func pick<T>(_ zh: T, _ en: T) -> T { language == .zh ? zh : en }

  /// What to say of a failure. Only the core's own sentences are shown: others may hold anything.
  func words(_ failure: any Error) -> String {
    guard let failure = failure as? BarefootError else {
      return pick("出错了，请再试一次；若仍不行，请重新启动。", "Something went wrong: try again, and if that fails restart the app.")
    }
    return pick(failure.zh, failure.en)
  }

  /// What came of a call of the core that is made away from the screen.
  func load<T: Sendable>(_ job: @escaping @Sendable () throws -> T) async -> Load<T> {
    do { return .here(try await work.run(job)) } catch { return .failed(words(error)) }
  }

  /// The same for a call on the records. While they are locked there is nothing to say: the door is shown.
  func onRecords<T: Sendable>(_ job: @escaping @Sendable (Clinic) throws -> T) async -> Load<T> {
    guard let clinic else { return .waiting }
    return await load { try job(clinic) }
  }

  /// The day of a time in RFC 3339, in the phone's time zone and the screen's language.
  public func day(_ time: String) -> String {
    let parser = ISO8601DateFormatter()
    parser.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    let plain = ISO8601DateFormatter()
    guard let date = parser.date(from: time) ?? plain.date(from: time) else { return time }
    return date.formatted(Date.FormatStyle(date: .abbreviated, time: .omitted, locale: language.locale))
  }
}

/// The start: where to go.
@MainActor
public final class Home {
  private let session: Session

  init(_ session: Session) {
    self.session = session
  }

  public func examine() { session.path.open(.examination(Examination(session))) }

  public func patients() { session.path.open(.patients(Patients(session, for: nil))) }

  public func encyclopedia() { session.path.open(.search(Search(session))) }

  public func doctors() { session.path.open(.doctors(Doctors(session))) }

  public func sync() { session.path.open(.sync(SyncState(session))) }

  public func lock() async { await session.lock() }
}
