import Observation

/// A screen with its model.
public enum Place: Hashable {
  case door(Door)
  case recovery(Recovery)
  case home(Home)
  case doctors(Doctors)
  case newPIN(NewPIN)
  case phrase(Phrase)
  case sync(SyncState)
  case examination(Examination)
  case answer(Answer)
  case patients(Patients)
  case patientForm(PatientForm)
  case patientRecord(PatientRecord)
  case visits(Visits)
  case visit(Visit)
  case search(Search)
  case reading(Reading)

  private var model: AnyObject {
    switch self {
    case .door(let model): model
    case .recovery(let model): model
    case .home(let model): model
    case .doctors(let model): model
    case .newPIN(let model): model
    case .phrase(let model): model
    case .sync(let model): model
    case .examination(let model): model
    case .answer(let model): model
    case .patients(let model): model
    case .patientForm(let model): model
    case .patientRecord(let model): model
    case .visits(let model): model
    case .visit(let model): model
    case .search(let model): model
    case .reading(let model): model
    }
  }

  /// The same place is the same model.
  public static func == (one: Place, other: Place) -> Bool { one.model === other.model }

  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(model)) }
}

/// The way that the doctor has gone through the screens.
@MainActor @Observable
public final class Path {
  /// Where the way begins: the door, or the start behind it.
  public private(set) var start: Place

  /// What was opened since, in order. The system's own way back shortens it.
  public var opened: [Place] = []

  init(start: Place) {
    self.start = start
  }

  /// Where the doctor is.
  public var here: Place { opened.last ?? start }

  func open(_ place: Place) {
    opened.append(place)
  }

  /// Goes back, unless the doctor has left `place` already.
  func back(from place: Place) {
    if here == place { _ = opened.popLast() }
  }

  /// Shows `place` alone: what is done cannot be gone back to.
  func restart(_ place: Place) {
    start = place
    opened = []
  }
}
