import BackgroundTasks
import BarefootModels
import Network

/// Tells the sync of networks that come and go, and asks the system for time when the app is put away before all was sent.
@MainActor
final class BackgroundSync {
  /// The same name stands in Info.plist.
  nonisolated static let task = "org.barefoot.app.sync"
  private let monitor = NWPathMonitor()
  private var service: SyncService?

  func begin(_ session: Session) {
    let service = SyncService(session)
    self.service = service
    monitor.pathUpdateHandler = { path in
      let connected = path.status == .satisfied
      Task { @MainActor in service.network(connected) }
    }
    monitor.start(queue: .main)
  }

  /// Asks for time in the background.
  func schedule() {
    guard service?.waits == true else { return }
    // Refused where the doctor has switched background refresh off: then the next network while the app is open serves.
    try? BGTaskScheduler.shared.submit(BGAppRefreshTaskRequest(identifier: Self.task))
  }

  /// The system gives time. Stops with its task.
  func run() async {
    guard let service else { return }
    if await !service.run() { schedule() }
  }
}
