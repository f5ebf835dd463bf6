import Barefoot
import Observation

/// The encyclopedia, searched as one types.
@MainActor @Observable
public final class Search {
  private let session: Session
  public var query = ""
  public private(set) var hits: Load<[Hit]> = .here([])

  init(_ session: Session) {
    self.session = session
  }

  /// Looks for what is typed.
  public func look() async {
    let (encyclopedia, words) = (session.encyclopedia, trimmed(query))
    let found = await session.load { words.isEmpty ? [] : try encyclopedia.search(query: words, limit: 30) }
    // A slower answer to an older question must not replace a newer one.
    if words == trimmed(query) { hits = found }
  }

  public func name(_ hit: Hit) -> String { session.pick(hit.zh, hit.en) }

  /// The name in the other language.
  public func otherName(_ hit: Hit) -> String { session.pick(hit.en, hit.zh) }

  public func open(_ hit: Hit) { session.path.open(.reading(Reading(session, hit.slug))) }
}

/// One article.
@MainActor @Observable
public final class Reading {
  private let session: Session
  private let slug: String
  public private(set) var article: Load<Article> = .waiting

  init(_ session: Session, _ slug: String) {
    self.session = session
    self.slug = slug
  }

  public func read() async {
    let (encyclopedia, slug) = (session.encyclopedia, slug)
    article = await session.load { try encyclopedia.article(slug: slug) }
  }

  public func title(_ article: Article) -> String { session.pick(article.names.zh, article.names.en) }

  /// Its other names, in the reader's language.
  public func otherNames(_ article: Article) -> [String] {
    let names = article.names
    return session.pick(names.layZh + names.formerZh, names.layEn + names.formerEn + names.abbr)
  }

  /// Titles and texts; empty sections are left out.
  public func sections(_ article: Article) -> [(title: String, text: String)] {
    article.sections
      .map { (session.pick($0.title), trimmed(session.pick($0.text))) }
      .filter { !$0.1.isEmpty }
  }

  public func name(_ other: Lookalike) -> String { session.pick(other.nameZh, other.nameEn) }

  /// How to tell the two apart.
  public func difference(_ other: Lookalike) -> String { session.pick(other.zh, other.en) }

  public func open(_ other: Lookalike) { session.path.open(.reading(Reading(session, other.slug))) }
}
