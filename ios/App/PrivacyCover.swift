import SwiftUI
import UIKit

/// Lies over everything while the app is not in front, so that no patient's record is among the recent apps. A window of its own also
/// covers the camera and other pages that the system shows over the app's.
@MainActor
final class PrivacyCover {
  private var windows: [UIWindow] = []

  func lay() {
    guard windows.isEmpty else { return }
    windows = UIApplication.shared.connectedScenes.compactMap { $0 as? UIWindowScene }.map { scene in
      let window = UIWindow(windowScene: scene)
      window.windowLevel = .alert + 1
      window.rootViewController = UIHostingController(rootView: CoverPage())
      window.isHidden = false
      return window
    }
  }

  func lift() {
    for window in windows { window.isHidden = true }
    windows = []
  }
}

private struct CoverPage: View {
  var body: some View {
    Text(words("app_name"))
      .font(.largeTitle.bold())
      .frame(maxWidth: .infinity, maxHeight: .infinity)
      .background(.background)
  }
}
