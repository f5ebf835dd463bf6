import Barefoot
import Foundation
import Observation

/// The patients, found as one types; perhaps to choose whose visit an answer is.
@MainActor @Observable
public final class Patients {
  private let session: Session
  private let choosing: Answer?
  public var query = ""
  public private(set) var found: Load<[Patient]> = .waiting

  init(_ session: Session, for choosing: Answer?) {
    self.session = session
    self.choosing = choosing
  }

  public var forAnswer: Bool { choosing != nil }

  /// Looks for what is typed, at first and again, as after a patient was added.
  public func look() async {
    let words = trimmed(query)
    let found = await session.onRecords {
      words.isEmpty ? try $0.patients(limit: Self.limit) : try $0.findPatients(query: words, limit: Self.limit)
    }
    // A slower answer to an older question must not replace a newer one.
    if words == trimmed(query) { self.found = found }
  }

  public func choose(_ patient: Patient) async {
    guard let choosing else { return session.path.open(.patientRecord(PatientRecord(session, patient.id))) }
    session.path.back(from: .patients(self))
    await choosing.store(for: patient.id)
  }

  public func add() { session.path.open(.patientForm(PatientForm(session, self))) }

  public func visits() { session.path.open(.visits(Visits(session))) }

  nonisolated private static let limit: UInt32 = 50
}

/// A new patient.
@MainActor @Observable
public final class PatientForm {
  private let session: Session
  private let list: Patients
  public var name = ""
  public var age = ""
  public var sex: Sex?
  public var phone = ""
  public var village = ""
  public private(set) var failure: String?

  /// Who may be the same person; the doctor looks before a second record of one person is made.
  public private(set) var duplicates: [Patient] = []
  private var saving = false

  init(_ session: Session, _ list: Patients) {
    self.session = session
    self.list = list
  }

  private enum Saved {
    case added(Patient)
    case alike([Patient])
  }

  public func save() async {
    // A second tap must not make a second patient.
    guard !saving else { return }
    saving = true
    defer { saving = false }
    func known(_ text: String) -> String? { trimmed(text).isEmpty ? nil : trimmed(text) }
    let new = NewPatient(
      name: trimmed(name), ageYears: Double(trimmed(age)), sex: sex.map { $0 == .female ? "female" : "male" },
      phone: known(phone), village: known(village))
    let warned = !duplicates.isEmpty
    failure = nil
    let saved = await session.onRecords { clinic -> Saved in
      let alike = warned ? [] : try clinic.possibleDuplicates(new: new)
      return alike.isEmpty ? .added(try clinic.patient(id: try clinic.addPatient(new: new))) : .alike(alike)
    }
    switch saved {
    case .here(.added(let patient)): await done(patient)
    case .here(.alike(let patients)): duplicates = patients
    case .failed(let words): failure = words
    case .waiting: break
    }
  }

  /// It was this patient.
  public func done(_ patient: Patient) async {
    session.path.back(from: .patientForm(self))
    await list.choose(patient)
  }
}

/// One patient and all visits, newest first.
@MainActor @Observable
public final class PatientRecord {
  private let session: Session
  private let id: String
  public private(set) var patient: Load<Patient> = .waiting
  public private(set) var visits: Load<[EncounterSummary]> = .waiting

  /// The patient lets the records be sent for their own care: to the clinic's server, to a specialist.
  public private(set) var consents: Load<Bool> = .waiting

  init(_ session: Session, _ id: String) {
    self.session = session
    self.id = id
  }

  public func read() async {
    let id = id
    patient = await session.onRecords { try $0.patient(id: id) }
    consents = await session.onRecords { try $0.hasConsent(subject: id, purpose: .care) }
    visits = await session.onRecords { try $0.encountersOf(patient: id, limit: 200) }
  }

  /// Notes what the patient has said.
  public func consent(_ granted: Bool) async {
    let id = id
    consents = await session.onRecords {
      try $0.setConsent(subject: id, purpose: .care, granted: granted)
      return granted
    }
    session.recorded()
  }

  public func open(_ visit: EncounterSummary) { session.path.open(.visit(Visit(session, visit.id))) }
}

/// The visits of all, newest first.
@MainActor @Observable
public final class Visits {
  private let session: Session
  public private(set) var visits: Load<[EncounterSummary]> = .waiting

  init(_ session: Session) {
    self.session = session
  }

  public func read() async {
    visits = await session.onRecords { try $0.encounters(limit: 100) }
  }

  public func open(_ visit: EncounterSummary) { session.path.open(.visit(Visit(session, visit.id))) }
}

/// What the aid said of a stored visit.
public struct Aid: Equatable, Sendable {
  public let level: Triage
  public let because: [String]
  public let lines: [String]
}

/// One stored visit.
@MainActor @Observable
public final class Visit {
  private let session: Session
  private let id: String
  public private(set) var visit: Load<Encounter> = .waiting

  /// The photos that the record still has, as small JPEG files.
  public private(set) var photos: [Data] = []

  /// What specialists wrote back.
  public private(set) var answers: [Barefoot.Answer] = []
  private var doctors: [String: String] = [:]
  public var diagnosis = ""
  public private(set) var failure: String?

  init(_ session: Session, _ id: String) {
    self.session = session
    self.id = id
  }

  private struct Stored {
    let visit: Encounter
    let photos: [Data]
    let answers: [Barefoot.Answer]
    let doctors: [String: String]
  }

  public func read() async {
    let id = id
    let stored = await session.onRecords { clinic in
      let visit = try clinic.encounter(id: id)
      return Stored(
        visit: visit,
        // An original that was removed by its date takes its small version with it.
        photos: visit.photos.compactMap { try? clinic.thumbnail(id: $0.id) },
        answers: try clinic.answers(encounter: id, patient: visit.summary.patientId),
        doctors: Dictionary(uniqueKeysWithValues: try clinic.doctors().map { ($0.id, $0.name) }))
    }
    switch stored {
    case .here(let stored):
      visit = .here(stored.visit)
      photos = stored.photos
      answers = stored.answers
      doctors = stored.doctors
    case .failed(let words): visit = .failed(words)
    case .waiting: break
    }
  }

  /// What the aid said when the visit was stored.
  public var aid: Aid? {
    guard let said = visit.value?.assessments.last else { return nil }
    let lines = said.differential.prefix(Answer.shown).map { "\(session.pick($0.zh, $0.en))  \(Answer.share($0.p))" }
    return Aid(level: said.level, because: said.reasons.map(session.pick), lines: lines)
  }

  /// A doctor's name, where this phone knows it.
  public func author(_ id: String?) -> String? { id.flatMap { doctors[$0] } }

  /// The doctor's credential did not count when the diagnosis was made.
  public func unverified(_ diagnosis: Diagnosis) -> Bool { diagnosis.standing.map { $0 != "verified" } ?? false }

  /// Adds the doctor's own diagnosis.
  public func diagnose() async {
    let (id, words) = (id, trimmed(diagnosis))
    guard !words.isEmpty else { return }
    failure = nil
    diagnosis = ""
    let added = await session.onRecords {
      try $0.addDiagnosis(encounter: id, disease: nil, words: words, certainty: "provisional")
    }
    switch added {
    case .here:
      session.recorded()
      await read()
    case .failed(let why):
      diagnosis = words
      failure = why
    case .waiting: break
    }
  }
}
