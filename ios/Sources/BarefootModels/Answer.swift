import Barefoot
import Foundation
import Observation

/// What the photos say, as it is put to the doctor.
public enum Verdict: Equatable, Sendable {
  case noPhoto
  /// The share is a whole percentage as text.
  case named(disease: String, share: String)
  /// The photo fits several diseases.
  case cannotTell
  /// The photo resembles nothing that the model knows.
  case outOfScope
  case notSkin
  /// Each reason says what to do.
  case badPhoto([String])
}

/// One disease of the list.
public struct Candidate: Equatable, Sendable {
  public let slug: String
  public let name: String
  public let share: String
  public let supports: [String]
  public let opposes: [String]
}

/// The leading disease's short card.
public struct ShortCard: Equatable, Sendable {
  public let disease: String
  public let text: String
  /// Empty: nobody yet.
  public let reviewedBy: String
}

/// What was understood of the doctor's words: a finding that is there, or one that was looked for and is not.
public struct Understood: Equatable, Sendable {
  public let id: String
  public let words: String
  public let present: Bool
}

/// The aid's answer. The doctor decides whether it is stored, and for whom.
@MainActor @Observable
public final class Answer {
  private let session: Session
  private let assessed: Assessed
  private let assessment: Assessment

  /// The heat map as a PNG file, or `nil` when no photo was looked at.
  public private(set) var heatMap: Load<Data?> = .waiting

  /// The stored visit's id.
  public private(set) var visit: String?
  public private(set) var storing = false
  public private(set) var failure: String?

  init(_ session: Session, _ assessed: Assessed) {
    self.session = session
    self.assessed = assessed
    assessment = assessed.assessment()
    if assessment.image == nil { heatMap = .here(nil) }
  }

  /// Draws the heat map.
  public func look() async {
    guard case .waiting = heatMap else { return }
    let assessed = assessed
    heatMap = await session.load { try assessed.heatMap() }
  }

  public var level: Triage { assessment.urgency.level }

  /// Why it is that urgent.
  public var urgencyReasons: [String] { assessment.urgency.reasons.map(session.pick) }

  public var verdict: Verdict {
    guard let image = assessment.image else { return .noPhoto }
    switch image.outcome {
    case .notSkin: return .notSkin
    case .badPhoto: return .badPhoto((assessment.quality?.reasons ?? []).map(session.pick))
    case .cannotTell: return image.inScope ? .cannotTell : .outOfScope
    case .named:
      guard let top = image.classes.first else { return .cannotTell }
      return .named(disease: session.pick(top.zh, top.en), share: Self.share(top.p))
    }
  }

  /// The diseases of which one is it in nine of ten photos; `prototype` marks one that a hospital has added without training.
  public func set(prototype: (String) -> String) -> [String] {
    (assessment.image?.set ?? []).map {
      let name = session.pick($0.zh, $0.en)
      return $0.prototype ? prototype(name) : name
    }
  }

  public var candidates: [Candidate] {
    assessment.differential.prefix(Self.shown).map {
      Candidate(
        slug: $0.slug, name: session.pick($0.zh, $0.en), share: Self.share($0.p),
        supports: words($0.because.filter(\.supports)), opposes: words($0.because.filter { !$0.supports }))
    }
  }

  private func words(_ reasons: [Reason]) -> [String] { reasons.map { session.pick($0.zh, $0.en) } }

  /// What was understood of the words. "No itch" is one phrase: what it denies is not shown beside it.
  public var understood: [Understood] {
    let found = assessment.findings
    return
      found
      .filter { one in one.present || !found.contains { $0.present && $0.start == one.start && $0.end == one.end } }
      .map { Understood(id: $0.id, words: $0.text, present: $0.present) }
  }

  public var notUnderstood: [String] { assessment.notUnderstood }

  /// What to ask next.
  public var questions: [String] { assessment.askNext.map { session.pick($0.zh, $0.en) } }

  public var card: ShortCard? {
    guard let card = assessment.card, let first = assessment.differential.first else { return nil }
    return ShortCard(
      disease: session.pick(first.zh, first.en), text: trimmed(session.pick(card.text)), reviewedBy: card.reviewedBy)
  }

  /// How the doctor stands, where that is not as a verified one.
  public var standing: String? {
    let verification = assessment.verification
    return verification.assessment == .allowed ? nil : session.pick(verification.zh, verification.en)
  }

  /// The aid names no disease to a doctor who stands so.
  public var locked: Bool { assessment.verification.assessment == .locked }

  public var notice: String { session.pick(assessment.notice) }

  public func read(_ slug: String) { session.path.open(.reading(Reading(session, slug))) }

  /// Looks for the patient whose visit it is.
  public func choosePatient() { session.path.open(.patients(Patients(session, for: self))) }

  /// Stores the visit; `nil` stores it without a name.
  public func store(for patient: String?) async {
    guard !storing, visit == nil else { return }
    storing = true
    failure = nil
    let (assessor, assessed) = (session.assessor, assessed)
    let stored = await session.onRecords { try assessor.record(clinic: $0, assessed: assessed, patientId: patient) }
    storing = false
    switch stored {
    case .here(let id):
      visit = id
      session.recorded()
    case .failed(let words): failure = words
    case .waiting: break
    }
  }

  /// Opens what was stored; the examination is over.
  public func openVisit() {
    guard let visit else { return }
    session.path.restart(.home(Home(session)))
    session.path.open(.visit(Visit(session, visit)))
  }

  /// Diseases that fit one look.
  static let shown = 5

  /// A share of 1 as whole per cent, never broken over two lines; what rounds to nothing is not nothing.
  static func share(_ p: Float) -> String {
    p < 0.01 ? "<1\u{a0}%" : "\(Int((p * 100).rounded()))\u{a0}%"
  }
}
