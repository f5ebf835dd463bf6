package org.barefoot.app.model

import org.barefoot.Article
import org.barefoot.Hit
import org.barefoot.Lookalike

/** The encyclopedia, searched as one types. */
class Search(private val session: Session) : Model() {
    var query: String = ""
        private set
    var hits: Load<List<Hit>> = Load.Here(emptyList())
        private set
    private var asked = 0

    fun search(query: String) {
        this.query = query
        val words = query.trim()
        val turn = ++asked
        session.work.run({ if (words.isEmpty()) emptyList() else session.encyclopedia.search(words, LIMIT) }) { result ->
            if (turn == asked) {
                hits = result.fold({ Load.Here(it) }, { Load.Failed(session.words(it)) })
                changed()
            }
        }
    }

    fun name(hit: Hit): String = session.pick(hit.zh, hit.en)

    /** The name in the other language. */
    fun otherName(hit: Hit): String = session.pick(hit.en, hit.zh)

    fun open(hit: Hit) = session.path.open(Reading(session, hit.slug))

    private companion object {
        val LIMIT = 30u
    }
}

/** One article. */
class Reading(private val session: Session, slug: String) : Model() {
    var article: Load<Article> = Load.Waiting
        private set

    init {
        session.work.run({ session.encyclopedia.article(slug) }) { result ->
            article = result.fold({ Load.Here(it) }, { Load.Failed(session.words(it)) })
            changed()
        }
    }

    fun title(article: Article): String = session.pick(article.names.zh, article.names.en)

    /** Its other names, in the reader's language. */
    fun otherNames(article: Article): List<String> = with(article.names) {
        session.pick(layZh + formerZh, layEn + formerEn + abbr)
    }

    /** Titles and texts; empty sections are left out. */
    fun sections(article: Article): List<Pair<String, String>> = article.sections
        .map { session.pick(it.title) to session.pick(it.text).trim() }
        .filter { it.second.isNotEmpty() }

    fun name(other: Lookalike): String = session.pick(other.nameZh, other.nameEn)

    /** How to tell the two apart. */
    fun difference(other: Lookalike): String = session.pick(other.zh, other.en)

    fun open(other: Lookalike) = session.path.open(Reading(session, other.slug))
}
