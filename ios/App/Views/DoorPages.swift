import BarefootModels
import SwiftUI

/// Unlock.
struct DoorPage: View {
  @Bindable var door: Door

  var body: some View {
    Form {
      if let failure = door.failure { Failure(failure) }
      if door.opening {
        Waiting(words("busy"))
      } else if let doctors = door.doctors {
        if doctors.isEmpty {
          Text(words("unlock_device"))
        } else {
          Section(words("unlock_who")) {
            Choice(choices: doctors, chosen: $door.doctor) { $0.name }
            ForEach(doctors.filter { $0.waitSeconds > 0 }, id: \.id) { doctor in
              Faint("\(doctor.name): \(words("unlock_wait", Int(doctor.waitSeconds)))")
            }
            SecretField(words("unlock_pin"), $door.pin)
          }
        }
        MainButton(words("unlock_open")) { await door.open(needed: words("unlock_choose")) }
        if !doctors.isEmpty, door.hasPhrase { QuietButton(words("unlock_forgotten")) { door.recover() } }
      } else if door.failure == nil {
        Waiting(words("busy"))
      } else {
        MainButton(words("retry")) { await door.ask() }
      }
      Faint(words("notice"))
    }
    .navigationTitle(words("unlock_title"))
    .task { await door.ask() }
  }
}

/// The twelve words instead of a PIN.
struct RecoveryPage: View {
  @Bindable var recovery: Recovery

  var body: some View {
    Form {
      Text(words("recovery_hint"))
      Field(words("recovery_phrase"), $recovery.phrase, axis: .vertical)
      if let failure = recovery.failure { Failure(failure) }
      if recovery.opening {
        Waiting(words("busy"))
      } else {
        MainButton(words("unlock_open")) { await recovery.open() }
      }
    }
    .navigationTitle(words("recovery_title"))
  }
}

/// The start.
struct HomePage: View {
  let home: Home

  var body: some View {
    List {
      Section {
        MainButton(words("home_examine")) { home.examine() }
        Faint(words("home_examine_hint"))
      }
      Section {
        Entry(words("home_patients"), words("home_patients_hint")) { home.patients() }
        Entry(words("home_encyclopedia"), words("home_encyclopedia_hint")) { home.encyclopedia() }
        Entry(words("home_sync"), words("home_sync_hint")) { home.sync() }
        Entry(words("home_doctors"), words("home_doctors_hint")) { home.doctors() }
      }
      QuietButton(words("home_lock")) { await home.lock() }
      Faint(words("notice"))
    }
    .navigationTitle(words("app_name"))
  }
}

/// Who may open the records.
struct DoctorsPage: View {
  @Bindable var doctors: Doctors

  var body: some View {
    Form {
      if let added = doctors.added { Text(words("doctors_added", added)) }
      Loaded(doctors.all) { all in
        if all.isEmpty {
          Text(words("doctors_none"))
        } else {
          Section(words("doctors_some")) {
            ForEach(all, id: \.id) { doctor in
              Entry(doctor.name, words("doctors_change")) { doctors.change(doctor) }
            }
          }
        }
      }
      Section(words("doctors_new")) {
        Field(words("doctors_name"), $doctors.name)
        SecretField(words("doctors_pin"), $doctors.pin)
        if let failure = doctors.failure { Failure(failure) }
        MainButton(words("doctors_add")) { await doctors.add() }
      }
      Section(words("phrase_title")) {
        Text(doctors.hasPhrase ? words("phrase_some") : words("phrase_none"))
        QuietButton(words("phrase_new")) { doctors.newPhrase() }
      }
    }
    .navigationTitle(words("home_doctors"))
    .task { await doctors.list() }
  }
}

/// A doctor's new PIN.
struct NewPINPage: View {
  @Bindable var new: NewPIN

  var body: some View {
    Form {
      Section(new.doctor.name) {
        SecretField(words("doctors_pin"), $new.pin)
        if let failure = new.failure { Failure(failure) }
        MainButton(words("patient_save")) { await new.save() }
      }
    }
    .navigationTitle(words("doctors_change"))
  }
}

/// The recovery phrase, once.
struct PhrasePage: View {
  let phrase: Phrase

  var body: some View {
    Form {
      Loaded(phrase.words) { all in
        Text(words("phrase_write"))
        Section {
          ForEach(Array(all.enumerated()), id: \.offset) { place, word in
            Text(words("phrase_word", place + 1, word)).font(.title3)
          }
        }
        Failure(phrase.warning)
        MainButton(words("phrase_written")) { phrase.written() }
      }
    }
    .navigationTitle(words("phrase_title"))
    .task { await phrase.make() }
  }
}
