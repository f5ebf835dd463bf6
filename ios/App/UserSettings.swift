import BarefootModels
import Foundation

/// What is kept beside the records, in the app's preferences.
@MainActor
final class UserSettings: BarefootModels.Settings {
  var server: String {
    get { UserDefaults.standard.string(forKey: "server") ?? "" }
    set { UserDefaults.standard.set(newValue, forKey: "server") }
  }
}
