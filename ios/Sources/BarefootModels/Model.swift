// View models: what the screens show and do, without any of SwiftUI, so that they are tested on Linux. All of them live on the main
// actor; only what is given to `Work` runs elsewhere.

import Dispatch
import Foundation

/// Runs the core's calls away from the screen, one after the other in the order in which they were asked for.
struct Work: Sendable {
  private let queue = DispatchQueue(label: "core", qos: .userInitiated)

  /// What came of `job`.
  func run<T: Sendable>(_ job: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result(catching: job)) }
    }
  }
}

/// What is kept beside the records, unencrypted: no patient's data.
@MainActor
public protocol Settings: AnyObject {
  /// Address of the clinic's server; empty when there is none.
  var server: String { get set }
}

/// The two languages of every text.
public enum Language: CaseIterable, Sendable {
  case zh
  case en

  /// Chinese for every Chinese locale, English for all others.
  public init(code: String) {
    self = code.split(whereSeparator: { $0 == "-" || $0 == "_" }).first == "zh" ? .zh : .en
  }

  var locale: Locale { Locale(identifier: self == .zh ? "zh-Hans" : "en") }
}

/// What a screen waits for.
public enum Load<Value: Sendable>: Sendable {
  case waiting
  case here(Value)
  /// The words say what to do next.
  case failed(String)

  /// The value, once it is here.
  public var value: Value? {
    if case .here(let value) = self { value } else { nil }
  }
}
