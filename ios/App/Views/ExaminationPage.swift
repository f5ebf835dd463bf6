import BarefootModels
import PhotosUI
import SwiftUI

import enum Barefoot.Sex

/// Photo, findings, patient.
struct ExaminationPage: View {
  @Bindable var examination: Examination
  @State private var picked: [PhotosPickerItem] = []
  @State private var taking = false

  var body: some View {
    Form {
      Section(words("examine_photo")) { photos }
      Section(words("examine_findings")) { findings }
      Section(words("examine_person")) {
        SexChoice(sex: $examination.sex)
        Field(words("examine_age"), $examination.age, .decimalPad)
        Field(words("examine_site"), $examination.site)
      }
      Section { foot }
    }
    .navigationTitle(words("examine_title"))
    .task { await examination.read() }
    .onChange(of: picked) { _, items in
      guard !items.isEmpty else { return }
      picked = []
      Task { await examination.add(items) }
    }
    .fullScreenCover(isPresented: $taking) {
      Camera { photo in
        taking = false
        if let photo { examination.add(photo) }
      }
      .ignoresSafeArea()
    }
  }

  @ViewBuilder private var photos: some View {
    if examination.photos.isEmpty {
      Faint(words("examine_photo_hint"))
    } else {
      ScrollView(.horizontal) {
        HStack(alignment: .top) {
          ForEach(Array(examination.photos.enumerated()), id: \.offset) { place, photo in
            VStack {
              Picture(file: photo, height: 160, description: words("examine_photo_n", place + 1))
              QuietButton(words("examine_remove", place + 1)) { examination.removePhoto(at: place) }
            }
          }
        }
      }
    }
    QuietButton(words("examine_take")) {
      if Camera.isThere { taking = true } else { examination.fail(words("examine_no_camera")) }
    }
    // The core reads JPEG, and no HEIC.
    PhotosPicker(selection: $picked, matching: .images, preferredItemEncoding: .compatible) {
      Text(words("examine_pick"))
    }
    .buttonStyle(.borderless)
  }

  @ViewBuilder private var findings: some View {
    ForEach(examination.aspects, id: \.self) { aspect in
      VStack(alignment: .leading) {
        Faint(title(aspect))
        Flow {
          ForEach(examination.findings[aspect] ?? [], id: \.id) { finding in
            Chip(text: examination.name(finding), chosen: examination.chosen.contains(finding)) {
              examination.toggle(finding)
            }
          }
        }
      }
    }
    QuietButton(examination.wide ? words("examine_fewer") : words("examine_more")) { examination.widen() }
    Field(words("examine_text"), $examination.text, axis: .vertical)
  }

  @ViewBuilder private var foot: some View {
    if let failure = examination.failure { Failure(failure) }
    if examination.working {
      Waiting(words("examine_working"))
      QuietButton(words("cancel")) { examination.cancel(stopped: words("examine_cancelled")) }
    } else {
      MainButton(words("examine_assess")) { examination.assess(needed: words("examine_need")) }
    }
  }
}

/// A patient's sex, as the core uses it.
struct SexChoice: View {
  @Binding var sex: Sex?

  var body: some View {
    Choice(choices: [Sex.female, .male], chosen: $sex) {
      $0 == .female ? words("examine_female") : words("examine_male")
    }
  }
}

private func title(_ aspect: Aspect) -> String {
  switch aspect {
  case .seen: words("aspect_seen")
  case .felt: words("aspect_felt")
  case .arranged: words("aspect_arranged")
  case .course: words("aspect_course")
  case .general: words("aspect_general")
  }
}
