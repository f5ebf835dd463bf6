package org.barefoot.app.ui

import android.content.Context
import android.widget.LinearLayout
import org.barefoot.app.R
import org.barefoot.app.model.Load
import org.barefoot.app.model.Reading
import org.barefoot.app.model.Search

/** The encyclopedia's search. */
internal class SearchPage(private val search: Search, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.encyclopedia_title)
    private lateinit var list: LinearLayout

    override fun LinearLayout.fill() {
        field(R.string.encyclopedia_search, search.query, WORDS) { search.search(it) }
        list = part(12)
        refresh()
    }

    override fun refresh() = refill(list) {
        shown(search.hits) { hits ->
            if (search.query.isBlank()) faint(R.string.encyclopedia_hint) else if (hits.isEmpty()) faint(R.string.encyclopedia_none)
            hits.firstOrNull()?.didYouMean?.let { faint(context.getString(R.string.encyclopedia_did_you_mean, it)) }
            hits.forEach { hit -> entry(search.name(hit), search.otherName(hit)) { search.open(hit) } }
        }
    }
}

/** One article. */
internal class ReadingPage(private val reading: Reading, private val context: Context) : Page() {
    override val title: String
        get() = (reading.article as? Load.Here)?.let { reading.title(it.value) } ?: context.getString(R.string.encyclopedia_title)

    override fun LinearLayout.fill() = shown(reading.article) { article ->
        heading(reading.title(article), 0)
        val others = reading.otherNames(article)
        if (others.isNotEmpty()) faint(context.getString(R.string.article_names, others.joinToString(context.getString(R.string.list_separator))))
        faint(if (article.reviewedBy.isEmpty()) context.getString(R.string.result_not_reviewed) else context.getString(R.string.result_reviewed, article.reviewedBy))
        reading.sections(article).forEach { (title, text) ->
            sheet {
                heading(title)
                body(text)
            }
        }
        if (article.lookAlikes.isNotEmpty()) {
            sheet {
                heading(R.string.article_look_alikes)
                article.lookAlikes.forEach { other -> entry(reading.name(other), reading.difference(other)) { reading.open(other) } }
            }
        }
        if (article.sources.isNotEmpty()) {
            sheet {
                heading(R.string.article_sources)
                article.sources.forEach { faint("[${it.key}] ${it.text}, ${it.year}") }
            }
        }
    }
}
