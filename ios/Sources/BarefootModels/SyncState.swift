import Barefoot
import Observation

/// What was sent, what waits and what the server has refused.
@MainActor @Observable
public final class SyncState {
  /// How many records there are of each kind.
  public struct Counts: Equatable, Sendable {
    public var sent = 0
    public var waiting = 0
    public var heldBack = 0
    public var refused = 0
    /// Why the server refused them: each reason once.
    public var reasons: [String] = []
  }

  private let session: Session
  public private(set) var counts: Load<Counts> = .waiting

  /// The clinic's server, as typed.
  public var server: String
  public private(set) var failure: String?

  /// What came of the last sync.
  public private(set) var done: (sent: UInt64, received: UInt64)?

  /// The sync that runs.
  private(set) var job: Task<Void, Never>?
  public var running: Bool { job != nil }

  init(_ session: Session) {
    self.session = session
    server = session.settings.server
  }

  public func count() async {
    let encyclopedia = session.encyclopedia
    counts = await session.onRecords { clinic in
      try Sync(clinic: clinic, encyclopedia: encyclopedia).deliveries().reduce(into: Counts()) { counts, record in
        switch record.state {
        case "sent": counts.sent += 1
        case "waiting": counts.waiting += 1
        case "held_back": counts.heldBack += 1
        case "quarantined":
          counts.refused += 1
          if let reason = record.reason, !counts.reasons.contains(reason) { counts.reasons.append(reason) }
        // A state of a newer version.
        default: break
        }
      }
    }
  }

  /// Keeps the server's address and syncs at once; `needed` is said when there is no address.
  public func sync(needed: String) {
    guard !running else { return }
    let address = trimmed(server)
    done = nil
    guard !address.isEmpty else {
      failure = needed
      return
    }
    session.settings.server = address
    failure = nil
    job = Task {
      do {
        let report = try await session.sync()
        if Task.isCancelled { return }
        done = report.map { ($0.sent, $0.received) }
      } catch {
        if Task.isCancelled { return }
        failure = session.words(error)
      }
      job = nil
      await count()
    }
  }

  /// Stops a running sync; `stopped` is then said. What is sent stays sent.
  public func cancel(stopped: String) async {
    job?.cancel()
    job = nil
    failure = stopped
    await count()
  }
}
