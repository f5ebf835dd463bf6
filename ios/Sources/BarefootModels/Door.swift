import Barefoot
import Observation

/// The door of the encrypted records: the phone's key, or a doctor's PIN once one is set.
@MainActor @Observable
public final class Door {
  private let session: Session

  /// Who may come in; empty while the phone's key alone opens. `nil` until that is known.
  public private(set) var doctors: [DoctorAtDoor]?

  /// The twelve words of a recovery phrase open too.
  public private(set) var hasPhrase = false
  public var doctor: DoctorAtDoor?
  public var pin = ""
  public private(set) var opening = false
  public private(set) var failure: String?

  init(_ session: Session) {
    self.session = session
  }

  /// Asks who may come in.
  public func ask() async {
    let (folder, vault) = (session.folder.path, session.vault)
    switch await session.load({ try signIn(folder: folder, vault: vault) }) {
    case .here(let door):
      doctors = door.pinNeeded ? door.doctors : []
      hasPhrase = door.hasPhrase
      // Whoever was chosen stays chosen; how long to wait may have changed.
      doctor = door.doctors.first { $0.id == doctor?.id } ?? (door.doctors.count == 1 ? door.doctors.first : nil)
    case .failed(let words): failure = words
    case .waiting: break
    }
  }

  /// Tries to open. `needed` is said when no doctor is chosen or no PIN is typed.
  public func open(needed: String) async {
    guard !opening else { return }
    let way: Unlock
    if doctors?.isEmpty ?? true {
      way = .device
    } else if let doctor, !pin.isEmpty {
      way = .pin(doctor: doctor.id, pin: pin)
    } else {
      failure = needed
      return
    }
    opening = true
    failure = nil
    let (folder, vault) = (session.folder.path, session.vault)
    let opened = await session.load { try Clinic.open(folder: folder, vault: vault, how: way) }
    opening = false
    pin = ""
    switch opened {
    case .here(let clinic): session.enter(clinic)
    case .failed(let words):
      failure = words
      await ask()
    case .waiting: break
    }
  }

  /// The PIN is forgotten.
  public func recover() { session.path.open(.recovery(Recovery(session))) }
}

/// The way in with the twelve words; from there a doctor gets a new PIN.
@MainActor @Observable
public final class Recovery {
  private let session: Session
  public var phrase = ""
  public private(set) var opening = false
  public private(set) var failure: String?

  init(_ session: Session) {
    self.session = session
  }

  public func open() async {
    guard !opening else { return }
    opening = true
    failure = nil
    let (folder, vault, way) = (session.folder.path, session.vault, Unlock.recovery(phrase: phrase))
    let opened = await session.load { try Clinic.open(folder: folder, vault: vault, how: way) }
    opening = false
    switch opened {
    case .here(let clinic):
      phrase = ""
      session.enter(clinic)
      session.path.open(.doctors(Doctors(session)))
    case .failed(let words): failure = words
    case .waiting: break
    }
  }
}

/// Who may open the records, and adding somebody.
@MainActor @Observable
public final class Doctors {
  private let session: Session
  public private(set) var all: Load<[Doctor]> = .waiting

  /// Twelve words open the records when a PIN is forgotten.
  public private(set) var hasPhrase = false
  public var name = ""
  public var pin = ""
  public private(set) var added: String?
  public private(set) var failure: String?

  init(_ session: Session) {
    self.session = session
  }

  /// Reads the list, at first and again.
  public func list() async {
    switch await session.onRecords({ (try $0.doctors().filter(\.canSignIn), try $0.hasRecoveryPhrase()) }) {
    case .here((let doctors, let hasPhrase)):
      all = .here(doctors)
      self.hasPhrase = hasPhrase
    case .failed(let words): all = .failed(words)
    case .waiting: all = .waiting
    }
  }

  /// Adds a doctor. With the first PIN comes the recovery phrase.
  public func add() async {
    failure = nil
    added = nil
    let (vault, name, pin) = (session.vault, name, pin)
    let result = await session.onRecords { clinic in
      _ = try clinic.addDoctor(vault: vault, name: name, pin: pin)
      return try clinic.hasRecoveryPhrase()
    }
    switch result {
    case .here(let hasPhrase):
      added = name
      self.name = ""
      self.pin = ""
      await list()
      if !hasPhrase { newPhrase() }
    case .failed(let words): failure = words
    case .waiting: break
    }
  }

  /// Makes a recovery phrase, in place of an earlier one, and shows it.
  public func newPhrase() { session.path.open(.phrase(Phrase(session))) }

  /// Gives a doctor another PIN.
  public func change(_ doctor: Doctor) { session.path.open(.newPIN(NewPIN(session, doctor))) }
}

/// A doctor's new PIN.
@MainActor @Observable
public final class NewPIN {
  private let session: Session
  public let doctor: Doctor
  public var pin = ""
  public private(set) var failure: String?

  init(_ session: Session, _ doctor: Doctor) {
    self.session = session
    self.doctor = doctor
  }

  public func save() async {
    failure = nil
    let (vault, doctor, pin) = (session.vault, doctor.id, pin)
    switch await session.onRecords({ try $0.setPin(vault: vault, doctor: doctor, pin: pin) }) {
    case .here:
      self.pin = ""
      session.path.back(from: .newPIN(self))
    case .failed(let words): failure = words
    case .waiting: break
    }
  }
}

/// A new recovery phrase: shown here once, and kept nowhere.
@MainActor @Observable
public final class Phrase {
  private let session: Session
  private var asked = false
  public private(set) var words: Load<[String]> = .waiting

  /// What must be said with it.
  public var warning: String { session.pick(forgottenBoth()) }

  init(_ session: Session) {
    self.session = session
  }

  /// Makes it, once: a second one would make the words on the screen worthless.
  public func make() async {
    guard !asked else { return }
    asked = true
    let language: PhraseLanguage = session.pick(.chinese, .english)
    switch await session.onRecords({ try $0.newRecoveryPhrase(language: language) }) {
    case .here(let phrase): words = .here(phrase.split(separator: " ").map(String.init))
    case .failed(let why): words = .failed(why)
    case .waiting: break
    }
  }

  /// The words are on paper.
  public func written() { session.path.back(from: .phrase(self)) }
}
