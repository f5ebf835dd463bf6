//! A store that stays open while others use its folder: what a sync holds, which waits for the network most of its time.
//! May not live here: what is done with it.

use crate::key::lock_file;
use crate::store::wait_for;
use crate::{Clinic, ClinicError};
use std::fs::{File, TryLockError};
use std::time::Duration;

/// How long to wait for whoever uses the folder: a backup of many photos takes minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// An open store that has let go of its folder; it takes it for each [`SharedClinic::lend`]. One per folder.
#[derive(Debug)]
pub struct SharedClinic {
    clinic: Clinic,
    _only_one: File,
}

impl Clinic {
    /// Lets go of the folder, so that other processes can open it meanwhile. Does I/O.
    ///
    /// # Errors
    /// When the folder has such a store already, or the disk refuses.
    pub fn share(self) -> Result<SharedClinic, ClinicError> {
        let only_one = lock_file(&self.folder, "sync.lock")?;
        match only_one.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ClinicError::SyncRunning),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        self.lock.unlock()?;
        Ok(SharedClinic { clinic: self, _only_one: only_one })
    }
}

impl SharedClinic {
    /// Takes the folder, does something, lets go of it again. Waits for others up to 10 minutes. Does I/O.
    ///
    /// # Errors
    /// When the folder stays in use, its key was changed meanwhile, or `act` fails.
    pub fn lend<T>(&mut self, act: impl FnOnce(&mut Clinic) -> Result<T, ClinicError>) -> Result<T, ClinicError> {
        wait_for(&self.clinic.lock, PATIENCE)?;
        let done = match self.clinic.ring.reload() {
            Ok(true) => act(&mut self.clinic),
            Ok(false) => Err(ClinicError::KeyChanged),
            Err(error) => Err(error),
        };
        self.clinic.lock.unlock()?;
        done
    }
}
