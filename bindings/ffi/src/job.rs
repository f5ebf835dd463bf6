//! Long jobs: a listener in, `cancel()` from any thread.

use crate::Prompt;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Hears how far a long job is. It is called on the thread that runs the job, so it must be quick.
#[uniffi::export(foreign)]
pub trait ProgressListener: Send + Sync + fmt::Debug {
    /// `done` of `total` steps or bytes are done: 0 first, `total` last.
    fn on_progress(&self, done: u64, total: u64) -> Result<(), ListenerError>;
}

/// Shows the doctor where to sign in.
#[uniffi::export(foreign)]
pub trait SignInListener: Send + Sync + fmt::Debug {
    /// The code to type and where; the sign-in goes on waiting meanwhile. Called on the thread that runs the sign-in.
    fn on_prompt(&self, prompt: Prompt) -> Result<(), ListenerError>;
}

/// The listener cannot hear any more; the job stops as if cancelled.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum ListenerError {
    /// Whatever the reason.
    #[error("the progress listener failed")]
    Failed,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for ListenerError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Whether a job was stopped.
#[derive(Debug, Default)]
pub(crate) struct Cancellation(pub(crate) Arc<AtomicBool>);

impl Cancellation {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What the core calls between two steps.
    pub(crate) fn watch(
        &self,
        listener: Option<Arc<dyn ProgressListener>>,
    ) -> impl FnMut(u64, u64) -> ControlFlow<()> + '_ {
        move |done, total| {
            let heard = listener.as_ref().is_none_or(|listener| listener.on_progress(done, total).is_ok());
            if heard && !self.0.load(Ordering::Relaxed) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }
}
