package org.barefoot.app.ui

import android.content.Context
import android.widget.LinearLayout
import org.barefoot.app.R
import org.barefoot.app.model.SyncState

/** What was sent, what waits, and the clinic's server. */
internal class SyncPage(private val state: SyncState, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.home_sync)
    private lateinit var counts: LinearLayout
    private lateinit var foot: LinearLayout

    override fun LinearLayout.fill() {
        counts = part(4)
        sheet {
            field(R.string.sync_server, state.server, ADDRESS) { state.server = it }
            foot = part(12)
        }
        faint(R.string.sync_when, 16)
        refresh()
    }

    override fun refresh() {
        refill(counts) {
            shown(state.counts) { counts ->
                sheet(4) {
                    listOf(
                        R.string.sync_sent to counts.sent,
                        R.string.sync_waiting to counts.waiting,
                        R.string.sync_held_back to counts.heldBack,
                        R.string.sync_refused to counts.refused.size,
                    ).forEach { (words, number) -> amount(words, number) }
                    counts.refused.distinct().forEach { faint("· $it", 4) }
                }
            }
        }
        refill(foot) {
            state.failure?.let { failure(it) }
            state.done?.let { (sent, received) -> body(context.getString(R.string.sync_done, sent.toInt(), received.toInt())) }
            if (state.running) {
                waiting(R.string.sync_running)
                quietButton(R.string.cancel) { state.cancel(context.getString(R.string.sync_stopped)) }
            } else {
                mainButton(R.string.sync_now) { state.sync(context.getString(R.string.sync_need)) }
            }
        }
    }

    private fun LinearLayout.amount(words: Int, number: Int) {
        val line = LinearLayout(context)
        line.addView(label(context, context.getString(words), 17f, R.color.ink), LinearLayout.LayoutParams(0, LinearLayout.LayoutParams.WRAP_CONTENT, 1f))
        line.addView(label(context, number.toString(), 17f, R.color.ink))
        put(line)
    }
}
