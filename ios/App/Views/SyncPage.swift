import BarefootModels
import SwiftUI

/// What was sent, what waits, and the clinic's server.
struct SyncPage: View {
  @Bindable var state: SyncState

  var body: some View {
    Form {
      Loaded(state.counts) { counts in
        Section {
          LabeledContent(words("sync_sent"), value: counts.sent.formatted())
          LabeledContent(words("sync_waiting"), value: counts.waiting.formatted())
          LabeledContent(words("sync_held_back"), value: counts.heldBack.formatted())
          LabeledContent(words("sync_refused"), value: counts.refused.formatted())
          Reasons(all: counts.reasons)
        }
      }
      Section {
        Field(words("sync_server"), $state.server, .URL)
        if let failure = state.failure { Failure(failure) }
        if let done = state.done { Text(words("sync_done", Int(done.sent), Int(done.received))) }
        if state.running {
          Waiting(words("sync_running"))
          QuietButton(words("cancel")) { await state.cancel(stopped: words("sync_stopped")) }
        } else {
          MainButton(words("sync_now")) { state.sync(needed: words("sync_need")) }
        }
      }
      Faint(words("sync_when"))
    }
    .navigationTitle(words("home_sync"))
    .task { await state.count() }
  }
}
