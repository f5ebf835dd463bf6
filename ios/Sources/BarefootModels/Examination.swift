import Barefoot
import Foundation
import Observation

/// Findings that most visits need, in the order in which a skin is described. All others are written as words.
public enum Aspect: CaseIterable, Sendable {
  case seen
  case felt
  case arranged
  case course
  case general

  var findings: [String] {
    switch self {
    case .seen:
      [
        "erythema", "papule", "plaque", "nodule", "vesicle", "pustule", "wheal", "purpura", "ulcer", "scale", "crust",
        "oozing-weeping", "colour-black", "colour-hypopigmented",
      ]
    case .felt: ["itch", "itch-at-night", "pain", "painless", "burning"]
    case .arranged:
      ["single-lesion", "grouped", "annular", "linear", "symmetric", "unilateral", "generalised", "sharp-border"]
    case .course:
      [
        "course-days", "course-weeks", "course-months", "course-years", "course-recurrent", "course-spreading-rapidly",
        "course-growing",
      ]
    case .general: ["fever", "malaise", "lymphadenopathy", "lesion-bleeding"]
    }
  }
}

/// What the doctor sees, asks and photographs, and its assessment. Nothing is stored before the doctor says so.
@MainActor @Observable
public final class Examination {
  private let session: Session

  /// Photos as the camera gave them.
  public private(set) var photos: [Data] = []

  /// The findings that can be tapped; empty until they are read.
  public private(set) var findings: [Aspect: [Finding]] = [:]

  /// In the order in which they were tapped.
  public private(set) var chosen: [Finding] = []
  public var text = ""
  public var age = ""
  public var sex: Sex?
  public var site = ""

  /// All findings are shown, not the first ones alone.
  public private(set) var wide = false
  public private(set) var failure: String?

  /// The assessment that runs.
  private(set) var job: Task<Void, Never>?
  public var working: Bool { job != nil }

  init(_ session: Session) {
    self.session = session
  }

  /// Reads the findings.
  public func read() async {
    let encyclopedia = session.encyclopedia
    switch await session.load({ try encyclopedia.findings() }) {
    case .here(let all):
      let known = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0) })
      for aspect in Aspect.allCases { findings[aspect] = aspect.findings.compactMap { known[$0] } }
    case .failed(let words): failure = words
    case .waiting: break
    }
  }

  /// The aspects that are shown.
  public var aspects: [Aspect] { wide ? Aspect.allCases : [.seen, .felt] }

  public func name(_ finding: Finding) -> String { session.pick(finding.zh, finding.en) }

  public func add(_ photo: Data) {
    photos.append(photo)
    failure = nil
  }

  public func removePhoto(at index: Int) {
    photos.remove(at: index)
  }

  public func toggle(_ finding: Finding) {
    if let index = chosen.firstIndex(of: finding) { chosen.remove(at: index) } else { chosen.append(finding) }
  }

  public func widen() {
    wide.toggle()
  }

  /// Says that something could not be done.
  public func fail(_ words: String) {
    failure = words
  }

  /// The tapped findings and the doctor's words as one text.
  func words() -> String {
    let tapped = chosen.map(name).joined(separator: session.pick("，", ", "))
    return [tapped, trimmed(text)].filter { !$0.isEmpty }.joined(separator: session.pick("。", ". "))
  }

  func request() -> AssessmentRequest {
    let site = trimmed(site)
    return AssessmentRequest(
      photos: photos, text: words(), ageYears: Float(trimmed(age)), sex: sex, site: site.isEmpty ? nil : site)
  }

  /// Starts the assessment; `needed` is said when there is nothing to assess.
  public func assess(needed: String) {
    guard !working else { return }
    let request = request()
    guard !request.photos.isEmpty || !request.text.isEmpty else { return fail(needed) }
    failure = nil
    job = Task {
      do {
        let assessed = try await session.assessor.assess(request, clinic: session.clinic)
        // A cancelled job's answer is not wanted any more.
        if Task.isCancelled { return }
        job = nil
        // Nor is one that comes when the doctor has gone elsewhere, or locked the records.
        if session.path.here == .examination(self) { session.path.open(.answer(Answer(session, assessed))) }
      } catch {
        if Task.isCancelled { return }
        job = nil
        fail(session.words(error))
      }
    }
  }

  /// Stops a running assessment; `stopped` is then said.
  public func cancel(stopped: String) {
    job?.cancel()
    job = nil
    fail(stopped)
  }
}

/// Without spaces and line ends around it.
func trimmed(_ text: String) -> String { text.trimmingCharacters(in: .whitespacesAndNewlines) }
