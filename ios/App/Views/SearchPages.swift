import BarefootModels
import SwiftUI

/// The encyclopedia's search.
struct SearchPage: View {
  @Bindable var search: Search

  var body: some View {
    List {
      Loaded(search.hits) { hits in
        if search.query.isEmpty {
          Faint(words("encyclopedia_hint"))
        } else if hits.isEmpty {
          Faint(words("encyclopedia_none"))
        }
        if let meant = hits.first?.didYouMean { Faint(words("encyclopedia_did_you_mean", meant)) }
        ForEach(hits, id: \.slug) { hit in
          Entry(search.name(hit), search.otherName(hit)) { search.open(hit) }
        }
      }
    }
    .navigationTitle(words("encyclopedia_title"))
    .searchable(text: $search.query, prompt: words("encyclopedia_search"))
    .autocorrectionDisabled()
    .textInputAutocapitalization(.never)
    .task(id: search.query) { await search.look() }
  }
}

/// One article.
struct ReadingPage: View {
  let reading: Reading

  var body: some View {
    List {
      Loaded(reading.article) { article in
        Section(reading.title(article)) {
          let others = reading.otherNames(article)
          if !others.isEmpty { Faint(words("article_names", listed(others))) }
          Reviewed(by: article.reviewedBy)
        }
        ForEach(reading.sections(article), id: \.title) { section in
          Section(section.title) { Text(section.text) }
        }
        if !article.lookAlikes.isEmpty {
          Section(words("article_look_alikes")) {
            ForEach(article.lookAlikes, id: \.slug) { other in
              Entry(reading.name(other), reading.difference(other)) { reading.open(other) }
            }
          }
        }
        if !article.sources.isEmpty {
          Section(words("article_sources")) {
            ForEach(article.sources, id: \.key) { Faint("[\($0.key)] \($0.text), \(String($0.year))") }
          }
        }
      }
    }
    .navigationTitle(words("encyclopedia_title"))
    .task { await reading.read() }
  }
}
