// What Swift says better than the generator: long jobs as async functions that stop with their task, one look at an error.

import Dispatch

extension BarefootError {
  /// Stays the same over versions and languages.
  public var code: String { parts.code }

  /// What to do next, in Chinese.
  public var zh: String { parts.zh }

  /// What to do next, in English.
  public var en: String { parts.en }

  private var parts: (code: String, zh: String, en: String) {
    switch self {
    case .Failed(let code, let zh, let en), .Cancelled(let code, let zh, let en): (code, zh, en)
    }
  }
}

extension Assessor {
  /// Assesses photos and findings off the caller's thread. Cancelling the task stops the work at the next step.
  public func assess(
    _ request: AssessmentRequest, onProgress: (@Sendable (_ done: UInt64, _ total: UInt64) -> Void)? = nil
  ) async throws -> Assessed {
    let job = begin(request: request)
    return try await withTaskCancellationHandler {
      try await offThread { try job.run(listener: onProgress.map(Listener.init)) }
    } onCancel: {
      job.cancel()
    }
  }
}

extension Clinic {
  /// Writes a backup into a new file off the caller's thread. Cancelling the task stops it; no file stays behind then.
  public func backUp(
    to file: String, onProgress: (@Sendable (_ done: UInt64, _ total: UInt64) -> Void)? = nil
  ) async throws -> BackupReport {
    let job = beginBackup(file: file)
    return try await withTaskCancellationHandler {
      try await offThread { try job.run(listener: onProgress.map(Listener.init)) }
    } onCancel: {
      job.cancel()
    }
  }
}

private final class Listener: ProgressListener {
  private let heard: @Sendable (UInt64, UInt64) -> Void

  init(_ heard: @escaping @Sendable (UInt64, UInt64) -> Void) {
    self.heard = heard
  }

  func onProgress(done: UInt64, total: UInt64) throws {
    heard(done, total)
  }
}

/// Runs blocking work on a thread that is not one of Swift concurrency's few.
private func offThread<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global(qos: .userInitiated).async {
      continuation.resume(with: Result(catching: work))
    }
  }
}
