// The one look of all pages: the system's own lists and text styles, which grow with the reader's text size.

import Accessibility
import BarefootModels
import ImageIO
import SwiftUI
import UIKit

import enum Barefoot.Triage

/// A text of the catalog with its blanks filled.
func words(_ key: String, _ blanks: any CVarArg...) -> String {
  String(format: NSLocalizedString(key, comment: ""), locale: .current, arguments: blanks)
}

/// What is loaded, or that it is being loaded, or why it cannot be.
struct Loaded<Value: Sendable, Content: View>: View {
  private let load: Load<Value>
  private let content: (Value) -> Content

  init(_ load: Load<Value>, @ViewBuilder content: @escaping (Value) -> Content) {
    self.load = load
    self.content = content
  }

  var body: some View {
    switch load {
    case .waiting: Waiting(words("busy"))
    case .failed(let why): Failure(why)
    case .here(let value): content(value)
    }
  }
}

/// Something is being done.
struct Waiting: View {
  private let text: String

  init(_ text: String) {
    self.text = text
  }

  var body: some View {
    ProgressView(text).frame(maxWidth: .infinity)
  }
}

/// What went wrong, said aloud by VoiceOver at once.
struct Failure: View {
  private let text: String

  init(_ text: String) {
    self.text = text
  }

  var body: some View {
    Text(text)
      .foregroundStyle(.red)
      .onAppear { AccessibilityNotification.Announcement(text).post() }
  }
}

/// A smaller text beside another.
struct Faint: View {
  private let text: String

  init(_ text: String) {
    self.text = text
  }

  var body: some View {
    Text(text).font(.subheadline).foregroundStyle(.secondary)
  }
}

/// The page's one main action.
struct MainButton: View {
  private let title: String
  private let action: @MainActor () async -> Void

  init(_ title: String, action: @escaping @MainActor () async -> Void) {
    self.title = title
    self.action = action
  }

  var body: some View {
    Button {
      Task { await action() }
    } label: {
      Text(title).bold().frame(maxWidth: .infinity)
    }
    .buttonStyle(.borderedProminent)
    .controlSize(.large)
  }
}

/// Any other action.
struct QuietButton: View {
  private let title: String
  private let action: @MainActor () async -> Void

  init(_ title: String, action: @escaping @MainActor () async -> Void) {
    self.title = title
    self.action = action
  }

  var body: some View {
    Button(title) { Task { await action() } }
      .buttonStyle(.borderless)
  }
}

/// A line that opens something: a title, and what is said of it.
struct Entry: View {
  private let title: String
  private let detail: String
  private let action: @MainActor () async -> Void

  init(_ title: String, _ detail: String = "", action: @escaping @MainActor () async -> Void) {
    self.title = title
    self.detail = detail
    self.action = action
  }

  var body: some View {
    Button {
      Task { await action() }
    } label: {
      VStack(alignment: .leading, spacing: 4) {
        Text(title).bold().foregroundStyle(.primary)
        if !detail.isEmpty { Faint(detail) }
      }
      .frame(maxWidth: .infinity, alignment: .leading)
    }
  }
}

/// A text field whose label stays readable above what is typed. Typed words are neither corrected nor learnt.
struct Field: View {
  private let label: String
  @Binding private var text: String
  private let kind: UIKeyboardType
  private let axis: Axis

  init(_ label: String, _ text: Binding<String>, _ kind: UIKeyboardType = .default, axis: Axis = .horizontal) {
    self.label = label
    _text = text
    self.kind = kind
    self.axis = axis
  }

  var body: some View {
    VStack(alignment: .leading, spacing: 2) {
      Faint(label).accessibilityHidden(true)
      TextField("", text: $text, axis: axis)
        .keyboardType(kind)
        .autocorrectionDisabled()
        .textInputAutocapitalization(.never)
        .accessibilityLabel(label)
    }
  }
}

/// A field for a PIN.
struct SecretField: View {
  private let label: String
  @Binding private var text: String

  init(_ label: String, _ text: Binding<String>) {
    self.label = label
    _text = text
  }

  var body: some View {
    VStack(alignment: .leading, spacing: 2) {
      Faint(label).accessibilityHidden(true)
      SecureField("", text: $text)
        .keyboardType(.numberPad)
        // Else the system offers to keep the PIN among its passwords.
        .textContentType(.oneTimeCode)
        .accessibilityLabel(label)
    }
  }
}

/// A picture from a file's bytes, decoded no larger than it is shown: phones' photos do not fit a small phone's memory whole.
struct Picture: View {
  let file: Data
  let height: CGFloat
  let description: String
  @Environment(\.displayScale) private var scale

  var body: some View {
    if let small {
      Image(decorative: small, scale: 1)
        .resizable()
        .scaledToFit()
        .frame(maxHeight: height)
        .accessibilityElement()
        .accessibilityLabel(description)
        .accessibilityAddTraits(.isImage)
    }
  }

  private var small: CGImage? {
    guard let source = CGImageSourceCreateWithData(file as CFData, nil) else { return nil }
    let options: [CFString: Any] = [
      kCGImageSourceCreateThumbnailFromImageAlways: true,
      kCGImageSourceCreateThumbnailWithTransform: true,
      kCGImageSourceThumbnailMaxPixelSize: 2 * height * scale,
    ]
    return CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary)
  }
}

/// What a level of urgency asks for.
func title(_ level: Triage) -> String {
  switch level {
  case .e: words("level_e")
  case .u: words("level_u")
  case .r: words("level_r")
  case .p: words("level_p")
  }
}

/// The ground and the ink of a level of urgency, by day and by night.
func colours(_ level: Triage) -> (ground: Color, ink: Color) {
  switch level {
  case .e: (Color("level_e"), Color("on_level_e"))
  case .u: (Color("level_u"), Color("on_level_u"))
  case .r: (Color("level_r"), Color("on_level_r"))
  case .p: (Color("level_p"), Color("on_level_p"))
  }
}
