//! `barefoot-app` for Kotlin, Swift and Python: objects and records under the core's names, and one boundary error.
//!
//! May not live here: logic. Records that equal the core's are the core's own (`uniffi::remote` repeats their fields for the
//! generator, and the compiler says when the two differ); the others are shaped here for a shell's use.
//!
//! Every object may be called from any thread; calls on one object wait for each other. Calls that take long or do I/O say so: a shell
//! makes them off its main thread. A text that "reads the encyclopedia" comes from memory in well under a millisecond.

mod assess;
mod backup;
mod clinic;
mod encyclopedia;
mod error;
mod job;
mod records;
mod sync;
mod vault;

pub use assess::*;
pub use backup::BackupJob;
pub use clinic::*;
pub use encyclopedia::*;
pub use error::BarefootError;
pub use job::{ListenerError, ProgressListener, SignInListener};
pub use records::*;
pub use sync::*;
pub use vault::{KeyVault, VaultError};

uniffi::setup_scaffolding!();
