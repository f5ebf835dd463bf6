import BarefootModels
import SwiftUI

/// The way through the pages.
struct RootPage: View {
  let session: Session

  var body: some View {
    @Bindable var path = session.path
    NavigationStack(path: $path.opened) {
      PlacePage(place: path.start)
        .navigationDestination(for: Place.self) { PlacePage(place: $0) }
    }
    .environment(session)
  }
}

/// The page of a place.
private struct PlacePage: View {
  let place: Place

  var body: some View {
    page.id(place)
  }

  @ViewBuilder private var page: some View {
    switch place {
    case .door(let door): DoorPage(door: door)
    case .recovery(let recovery): RecoveryPage(recovery: recovery)
    case .home(let home): HomePage(home: home)
    case .doctors(let doctors): DoctorsPage(doctors: doctors)
    case .newPIN(let new): NewPINPage(new: new)
    case .phrase(let phrase): PhrasePage(phrase: phrase)
    case .sync(let state): SyncPage(state: state)
    case .examination(let examination): ExaminationPage(examination: examination)
    case .answer(let answer): AnswerPage(answer: answer)
    case .patients(let patients): PatientsPage(patients: patients)
    case .patientForm(let form): PatientFormPage(form: form)
    case .patientRecord(let record): PatientRecordPage(record: record)
    case .visits(let visits): VisitsPage(visits: visits)
    case .visit(let visit): VisitPage(visit: visit)
    case .search(let search): SearchPage(search: search)
    case .reading(let reading): ReadingPage(reading: reading)
    }
  }
}
