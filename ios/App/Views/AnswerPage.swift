import BarefootModels
import SwiftUI

/// The result: urgency first, then what the photo shows, what it may be and why.
struct AnswerPage: View {
  let answer: Answer

  var body: some View {
    List {
      level
      if let standing = answer.standing { Faint(words("result_doctor", standing)) }
      if answer.verdict != .noPhoto { Section(words("result_photo")) { photo } }
      if !answer.locked {
        Section(words("result_differential")) {
          if answer.candidates.isEmpty { Text(words("result_no_differential")) }
          ForEach(Array(answer.candidates.enumerated()), id: \.element.slug) { place, candidate in
            Entry(words("result_line", place + 1, candidate.name), detail(candidate)) { answer.read(candidate.slug) }
          }
        }
      }
      understood
      if let card = answer.card {
        Section(words("result_card", card.disease)) {
          Text(card.text)
          Reviewed(by: card.reviewedBy)
        }
      }
      Section { foot }
      Faint(answer.notice)
    }
    .navigationTitle(words("result_title"))
    .task { await answer.look() }
  }

  /// The urgency, in a colour and in words.
  private var level: some View {
    let (ground, ink) = colours(answer.level)
    return Section {
      VStack(alignment: .leading, spacing: 6) {
        Text(title(answer.level)).font(.title3.bold())
        if !answer.urgencyReasons.isEmpty { Text(words("result_because")).bold() }
        Reasons(all: answer.urgencyReasons)
      }
      .foregroundStyle(ink)
      .listRowBackground(ground)
    }
  }

  @ViewBuilder private var photo: some View {
    switch answer.verdict {
    case .noPhoto: EmptyView()
    case .named(let disease, let share): Text(words("result_named", disease, share)).bold()
    case .cannotTell: Plainly(said: words("result_cannot_tell"), hint: words("result_cannot_tell_hint"))
    case .outOfScope: Plainly(said: words("result_out_of_scope"), hint: words("result_out_of_scope_hint"))
    case .notSkin: Plainly(said: words("result_not_skin"), hint: words("result_not_skin_hint"))
    case .badPhoto(let reasons):
      Text(words("result_bad_photo")).bold()
      Reasons(all: reasons)
    }
    let set = answer.set { words("result_prototype", $0) }
    if !set.isEmpty { Faint(words("result_set", listed(set))) }
    Loaded(answer.heatMap) { map in
      if let map {
        Faint(words("result_heat_map"))
        Picture(file: map, height: 260, description: words("result_heat_map_description"))
      }
    }
  }

  private func detail(_ candidate: Candidate) -> String {
    var lines = [candidate.share]
    if !candidate.supports.isEmpty { lines.append(words("result_for", listed(candidate.supports))) }
    if !candidate.opposes.isEmpty { lines.append(words("result_against", listed(candidate.opposes))) }
    return lines.joined(separator: "\n")
  }

  /// What the aid took from the words, and what it did not: the doctor must see both.
  @ViewBuilder private var understood: some View {
    if !answer.understood.isEmpty {
      Section(words("result_understood")) {
        Text(listed(answer.understood.map { $0.present ? $0.words : words("result_absent", $0.words) }))
      }
    }
    if !answer.notUnderstood.isEmpty { Faint(words("result_not_understood", listed(answer.notUnderstood))) }
    if !answer.questions.isEmpty { Section(words("result_ask")) { Text(listed(answer.questions)) } }
  }

  @ViewBuilder private var foot: some View {
    if let failure = answer.failure { Failure(failure) }
    if answer.storing {
      Waiting(words("busy"))
    } else if answer.visit != nil {
      Text(words("result_recorded")).bold()
      MainButton(words("result_open_visit")) { answer.openVisit() }
    } else {
      Text(words("result_record")).font(.headline)
      MainButton(words("result_record_patient")) { answer.choosePatient() }
      QuietButton(words("result_record_anonymous")) { await answer.store(for: nil) }
    }
  }
}

/// What is said plainly, and what to do.
private struct Plainly: View {
  let said: String
  let hint: String

  var body: some View {
    Text(said).bold()
    Text(hint)
  }
}

/// Reasons one below the other.
struct Reasons: View {
  let all: [String]

  var body: some View {
    ForEach(all, id: \.self) { Text(verbatim: "· \($0)") }
  }
}

/// Who has reviewed an article; empty: nobody yet.
struct Reviewed: View {
  let by: String

  var body: some View {
    Faint(by.isEmpty ? words("result_not_reviewed") : words("result_reviewed", by))
  }
}

/// Texts in one line.
func listed(_ texts: [String]) -> String { texts.joined(separator: words("list_separator")) }
