/// Sends what waits as soon as there is a network. Only while the records are open: with a PIN the key is in nobody's hands but the
/// doctor's. What a stopped sync has sent stays sent.
@MainActor
public final class SyncService {
  private let session: Session

  /// Records have changed since the last sync that went well.
  public private(set) var waits = false
  private var connected = false
  private(set) var job: Task<Void, Never>?

  public init(_ session: Session) {
    self.session = session
    session.onRecorded = { [weak self] in self?.recorded() }
  }

  private func recorded() {
    waits = true
    start()
  }

  /// The network has come or gone.
  public func network(_ connected: Bool) {
    self.connected = connected
    start()
  }

  private func start() {
    guard waits, connected, job == nil else { return }
    job = Task {
      let well = await run()
      job = nil
      if well { start() }
    }
  }

  /// Syncs now, and says whether that went well or there was nothing to do. Stops with its task. A failure waits for the next change of
  /// the records or the network, or for the system to ask again.
  @discardableResult
  public func run() async -> Bool {
    // What is recorded meanwhile waits for the next one.
    waits = false
    do {
      _ = try await session.sync()
      return true
    } catch {
      waits = true
      return false
    }
  }
}
