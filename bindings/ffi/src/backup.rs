//! Backup as a long job.

use crate::job::Cancellation;
use crate::{BackupReport, BarefootError, Clinic, ProgressListener};
use std::path::PathBuf;
use std::sync::Arc;

/// A backup that was asked for and not yet begun.
#[derive(uniffi::Object)]
pub struct BackupJob {
    clinic: Arc<Clinic>,
    file: PathBuf,
    cancellation: Cancellation,
}

#[uniffi::export]
impl Clinic {
    /// A backup into a new file, to be run. No I/O.
    pub fn begin_backup(self: Arc<Self>, file: String) -> Arc<BackupJob> {
        Arc::new(BackupJob { clinic: self, file: file.into(), cancellation: Cancellation::default() })
    }
}

#[uniffi::export]
impl BackupJob {
    /// Writes the backup; other calls on the clinic wait meanwhile. A file of that name is never overwritten, and when stopped no file
    /// stays behind. Progress counts bytes. Does I/O; takes seconds.
    pub fn run(&self, listener: Option<Arc<dyn ProgressListener>>) -> Result<BackupReport, BarefootError> {
        self.clinic.with(|clinic| clinic.backup_watched(&self.file, &mut self.cancellation.watch(listener)))
    }

    /// Stops at the next step, at once if not begun. From any thread. No I/O.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }
}
