import BarefootModels
import SwiftUI

import struct Barefoot.Diagnosis
import struct Barefoot.EncounterSummary
import struct Barefoot.Patient

/// Search and list of patients.
struct PatientsPage: View {
  @Bindable var patients: Patients

  var body: some View {
    List {
      QuietButton(words("patients_add")) { patients.add() }
      Loaded(patients.found) { found in
        if found.isEmpty { Faint(patients.query.isEmpty ? words("patients_none") : words("patients_not_found")) }
        ForEach(found, id: \.id) { patient in
          Entry(patient.name, describe(patient)) { await patients.choose(patient) }
        }
      }
      if !patients.forAnswer { QuietButton(words("patients_visits")) { patients.visits() } }
    }
    .navigationTitle(patients.forAnswer ? words("patients_choose") : words("patients_title"))
    .searchable(text: $patients.query, prompt: words("patients_search"))
    .autocorrectionDisabled()
    .task(id: patients.query) { await patients.look() }
  }
}

/// A new patient.
struct PatientFormPage: View {
  @Bindable var form: PatientForm

  var body: some View {
    Form {
      Field(words("patient_name"), $form.name)
      Field(words("patient_age"), $form.age, .decimalPad)
      SexChoice(sex: $form.sex)
      Field(words("patient_village"), $form.village)
      Field(words("patient_phone"), $form.phone, .phonePad)
      if let failure = form.failure { Failure(failure) }
      if form.duplicates.isEmpty {
        MainButton(words("patient_save")) { await form.save() }
      } else {
        Section(words("patient_duplicates")) {
          ForEach(form.duplicates, id: \.id) { patient in
            Entry(patient.name, describe(patient)) { await form.done(patient) }
          }
        }
        QuietButton(words("patient_save_anyway")) { await form.save() }
      }
    }
    .navigationTitle(words("patient_new"))
  }
}

/// One patient's time line.
struct PatientRecordPage: View {
  let record: PatientRecord

  var body: some View {
    List {
      Loaded(record.patient) { patient in
        Section(patient.name) { Text(describe(patient)) }
      }
      Loaded(record.consents) { granted in
        Section(words("consent_title")) {
          Text(granted ? words("consent_yes") : words("consent_no"))
          QuietButton(granted ? words("consent_withdraw") : words("consent_give")) { await record.consent(!granted) }
        }
      }
      Section(words("patient_time_line")) {
        VisitList(visits: record.visits, named: false) { record.open($0) }
      }
    }
    .navigationTitle(words("patients_title"))
    .task { await record.read() }
  }
}

/// The visits of all.
struct VisitsPage: View {
  let visits: Visits

  var body: some View {
    List {
      VisitList(visits: visits.visits, named: true) { visits.open($0) }
    }
    .navigationTitle(words("patients_visits"))
    .task { await visits.read() }
  }
}

/// One stored visit.
struct VisitPage: View {
  @Bindable var visit: Visit
  @Environment(Session.self) private var session

  var body: some View {
    Form {
      Loaded(visit.visit) { encounter in
        Section(encounter.summary.patientName ?? words("visit_no_name")) {
          Text(describe(encounter.summary))
          ForEach(Array(visit.photos.enumerated()), id: \.offset) { place, photo in
            Picture(file: photo, height: 220, description: words("examine_photo_n", place + 1))
          }
        }
        if !encounter.findings.isEmpty { Section(words("visit_words")) { Text(encounter.findings) } }
        if let aid = visit.aid {
          Section(words("visit_aid")) {
            Text(title(aid.level)).bold()
            Reasons(all: aid.because)
            ForEach(Array(aid.lines.enumerated()), id: \.offset) { place, line in
              Text(words("result_line", place + 1, line))
            }
          }
        }
        Section(words("visit_diagnosis")) {
          if encounter.diagnoses.isEmpty { Faint(words("visit_no_diagnosis")) }
          ForEach(encounter.diagnoses, id: \.id) { diagnosis in
            Text(diagnosis.words)
            Faint(signature(of: diagnosis))
          }
          Field(words("visit_diagnosis_words"), $visit.diagnosis, axis: .vertical)
          if let failure = visit.failure { Failure(failure) }
          MainButton(words("visit_diagnose")) { await visit.diagnose() }
        }
        if !visit.answers.isEmpty {
          Section(words("visit_answers")) {
            ForEach(visit.answers, id: \.reference) { answer in
              Text(answer.words)
              Faint(session.day(answer.receivedAt))
            }
          }
        }
      }
    }
    .navigationTitle(words("visit_title"))
    .task { await visit.read() }
  }

  private func signature(of diagnosis: Diagnosis) -> String {
    let unverified = visit.unverified(diagnosis) ? words("visit_unverified") : nil
    return [session.day(diagnosis.madeAt), visit.author(diagnosis.author), unverified].compactMap(\.self)
      .joined(separator: "  ")
  }
}

private struct VisitList: View {
  let visits: Load<[EncounterSummary]>
  let named: Bool
  let open: @MainActor (EncounterSummary) -> Void
  @Environment(Session.self) private var session

  var body: some View {
    Loaded(visits) { all in
      if all.isEmpty { Faint(words("patient_no_visits")) }
      ForEach(all, id: \.id) { visit in
        Entry(title(visit), describe(visit)) { open(visit) }
      }
    }
  }

  private func title(_ visit: EncounterSummary) -> String {
    let day = session.day(visit.startedAt)
    return named ? "\(day)  \(visit.patientName ?? words("visit_no_name"))" : day
  }
}

private func describe(_ patient: Patient) -> String {
  let born = patient.birthDate.map {
    patient.birthEstimated ? words("patient_born_about", $0) : words("patient_born", $0)
  }
  return [sex(patient.sex), born, patient.village, patient.phone].compactMap(\.self).joined(separator: " · ")
}

private func describe(_ visit: EncounterSummary) -> String {
  let age = visit.ageYears.map { words("years", Int($0)) }
  let photos = visit.photos == 0 ? nil : words("photos", Int(visit.photos))
  return [sex(visit.sex), age, visit.site, photos].compactMap(\.self).joined(separator: " · ")
}

private func sex(_ code: String?) -> String? {
  switch code {
  case "female": words("examine_female")
  case "male": words("examine_male")
  default: nil
  }
}
