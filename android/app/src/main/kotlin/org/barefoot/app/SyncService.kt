package org.barefoot.app

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.app.job.JobService
import android.content.ComponentName
import android.content.Context
import org.barefoot.SyncJob

/**
 * Sends what waits as soon as there is a network. Only while the records are open: with a PIN the key is in nobody's hands but the
 * doctor's. What a stopped sync has sent stays sent.
 */
class SyncService : JobService() {
    private var job: SyncJob? = null

    override fun onStartJob(parameters: JobParameters): Boolean {
        val app = application as BarefootApplication
        val started = app.session?.syncJob() ?: return false
        job = started
        app.work.runApart({ started.run(null) }) { result ->
            // A stopped one has been answered for already.
            if (job === started) {
                job = null
                jobFinished(parameters, result.isFailure)
            }
        }
        return true
    }

    /** The network has gone, or the system needs its strength elsewhere: later again. */
    override fun onStopJob(parameters: JobParameters): Boolean {
        job?.cancel()
        job = null
        return true
    }

    internal companion object {
        private const val ID = 1

        /** Between two tries, doubled each time by the system. */
        private const val PAUSE_MILLIS = 60_000L

        /** Asks for a sync at the next network; one that was asked for already takes its place in the queue again. */
        fun schedule(context: Context) {
            val job = JobInfo.Builder(ID, ComponentName(context, SyncService::class.java))
                .setRequiredNetworkType(JobInfo.NETWORK_TYPE_ANY)
                .setBackoffCriteria(PAUSE_MILLIS, JobInfo.BACKOFF_POLICY_EXPONENTIAL)
                .build()
            context.getSystemService(JobScheduler::class.java).schedule(job)
        }
    }
}
