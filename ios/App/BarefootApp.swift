import BarefootModels
import SwiftUI

@main
struct BarefootApp: App {
  @State private var sync = BackgroundSync()
  @State private var cover = PrivacyCover()
  @Environment(\.scenePhase) private var phase

  var body: some Scene {
    WindowGroup {
      StartPage(sync: sync)
    }
    .onChange(of: phase) { _, phase in
      if phase == .active { cover.lift() } else { cover.lay() }
      if phase == .background { sync.schedule() }
    }
    .backgroundTask(.appRefresh(BackgroundSync.task)) { [sync] in await sync.run() }
  }
}

/// Opens the core, then shows where the session is.
private struct StartPage: View {
  let sync: BackgroundSync
  @State private var session: Load<Session> = .waiting

  var body: some View {
    Loaded(session) { RootPage(session: $0) }
      .task {
        do {
          let opened = try await Session.open(
            folder: try dataFolder(), vault: KeychainVault(), settings: UserSettings(),
            // The language that the texts are shown in.
            language: Language(code: Bundle.main.preferredLocalizations.first ?? "en"))
          sync.begin(opened)
          session = .here(opened)
        } catch {
          session = .failed(words("no_core"))
        }
      }
  }
}

/// Where the encrypted records lie: neither shown in Files nor copied into backups, whose key would not open them.
private func dataFolder() throws -> URL {
  var folder = try FileManager.default.url(
    for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true
  ).appending(path: "clinic", directoryHint: .isDirectory)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  var values = URLResourceValues()
  values.isExcludedFromBackup = true
  try folder.setResourceValues(values)
  return folder
}
