//! Sync with the clinic's server, one call on the records at a time: a slow network keeps nobody waiting.

use crate::job::{Cancellation, ProgressListener, SignInListener};
use crate::{BarefootError, Clinic, Encyclopedia, RecordDelivery};
use barefoot_app::clinic::{self, ClinicError};
use barefoot_app::sync::{self, Access, Http};
use barefoot_app::{AppError, disease_code};
pub use barefoot_app::{Prompt, Quarantined, SyncReport};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Sends what may leave, and fetches answers.
#[derive(uniffi::Object)]
pub struct Sync {
    clinic: Arc<Clinic>,
    encyclopedia: Arc<Encyclopedia>,
}

impl Access for &Clinic {
    fn with<T>(&mut self, act: impl FnOnce(&mut clinic::Clinic) -> Result<T, ClinicError>) -> Result<T, ClinicError> {
        self.reach(act)
    }
}

#[uniffi::export]
impl Sync {
    /// Sync of these records; the encyclopedia gives WHO's codes of diseases. No I/O.
    #[uniffi::constructor]
    pub fn new(clinic: Arc<Clinic>, encyclopedia: Arc<Encyclopedia>) -> Arc<Self> {
        Arc::new(Self { clinic, encyclopedia })
    }

    /// A sync, to be run. No I/O.
    pub fn begin(self: Arc<Self>, server: SyncServer) -> Arc<SyncJob> {
        Arc::new(SyncJob { sync: self, server, cancellation: Cancellation::default() })
    }

    /// A sign-in of this phone at an OpenID provider, to be run; `client` is this program's name there. No I/O.
    pub fn begin_sign_in(self: Arc<Self>, issuer: String, client: String) -> Arc<SyncSignInJob> {
        Arc::new(SyncSignInJob { sync: self, issuer, client, cancellation: Cancellation::default() })
    }

    /// Keeps an access token that was handed out by other means, or forgets all tokens. Does I/O.
    pub fn set_token(&self, token: Option<String>) -> Result<(), BarefootError> {
        Ok(sync::set_token(&mut self.clinic.as_ref(), token.as_deref())?)
    }

    /// What became of every record's last change, newest first. Does I/O.
    pub fn deliveries(&self) -> Result<Vec<RecordDelivery>, BarefootError> {
        self.clinic.with(|c| c.deliveries(clinic::Use::Care))
    }

    /// Lets what the server has refused wait again; how many. Does I/O.
    pub fn retry_refused(&self) -> Result<u64, BarefootError> {
        self.clinic.with(|c| Ok(c.retry_quarantined()? as u64))
    }

    /// Elements that were changed here and on the server and that nobody has looked at yet, oldest first. Does I/O.
    pub fn open_reviews(&self) -> Result<Vec<Review>, BarefootError> {
        self.clinic.with(|c| Ok(c.open_reviews()?.into_iter().map(Into::into).collect()))
    }

    /// Notes that somebody has looked at it. Does I/O.
    pub fn close_review(&self, id: &str) -> Result<(), BarefootError> {
        self.clinic.with(|c| c.close_review(id))
    }
}

/// The clinic's server.
#[derive(Debug, Clone, uniffi::Record)]
pub struct SyncServer {
    /// Address of the FHIR R4 server.
    pub address: String,
    /// The tus endpoint for photos; without one they go to the FHIR server.
    #[uniffi(default = None)]
    pub files: Option<String>,
    /// Trust this root certificate (PEM) alone, instead of Mozilla's list.
    #[uniffi(default = None)]
    pub root: Option<Vec<u8>>,
    /// How long to go on without an answer, seconds; 0: the first failure ends the sync.
    #[uniffi(default = 0)]
    pub patience_seconds: u64,
}

/// A sync that was asked for and not yet begun.
#[derive(uniffi::Object)]
pub struct SyncJob {
    sync: Arc<Sync>,
    server: SyncServer,
    cancellation: Cancellation,
}

#[uniffi::export]
impl SyncJob {
    /// Sends and fetches; waits for another sync of these records. Progress counts changes, and grows while records are made meanwhile.
    /// What is settled stays settled, however it ends. Does I/O; takes minutes on a slow network.
    pub fn run(&self, listener: Option<Arc<dyn ProgressListener>>) -> Result<SyncReport, BarefootError> {
        let _one = self.sync.clinic.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = &self.cancellation.0;
        let mut http = http(self.server.root.as_deref(), stop)?;
        let options = barefoot_app::SyncOptions {
            server: self.server.address.trim_end_matches('/').to_owned(),
            files: self.server.files.clone(),
            photos: barefoot_app::SyncPhotos::All,
            patience: Duration::from_secs(self.server.patience_seconds),
        };
        let mut watch = |progress: barefoot_app::SyncProgress| {
            let deaf = |l: &Arc<dyn ProgressListener>| {
                l.on_progress(progress.sent, progress.sent.saturating_add(progress.waiting)).is_err()
            };
            if listener.as_ref().is_some_and(deaf) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let codes = |slug: &str| self.sync.encyclopedia.with(|e| disease_code(e, slug));
        Ok(sync::sync(&mut self.sync.clinic.as_ref(), &codes, &mut http, &options, &mut watch)?)
    }

    /// Stops at the next step, at once if not begun. From any thread. No I/O.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }
}

/// A sign-in that was asked for and not yet begun.
#[derive(uniffi::Object)]
pub struct SyncSignInJob {
    sync: Arc<Sync>,
    issuer: String,
    client: String,
    cancellation: Cancellation,
}

#[uniffi::export]
impl SyncSignInJob {
    /// Signs in by OAuth 2.0 device flow (RFC 8628); the tokens are kept in the sealed store. `root` is a root certificate (PEM) to trust
    /// alone. Does I/O; blocks until the doctor has answered.
    pub fn run(&self, listener: Arc<dyn SignInListener>, root: Option<Vec<u8>>) -> Result<(), BarefootError> {
        let stop = &self.cancellation.0;
        let mut http = http(root.as_deref(), stop)?;
        let mut show = |prompt: &Prompt| {
            if listener.on_prompt(prompt.clone()).is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let scope = "openid offline_access";
        let clinic = &mut self.sync.clinic.as_ref();
        Ok(sync::sign_in(clinic, &mut http, &self.issuer, &self.client, scope, &mut show)?)
    }

    /// Stops at the next step. From any thread. No I/O.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }
}

fn http(root: Option<&[u8]>, stop: &Arc<AtomicBool>) -> Result<Http, AppError> {
    Ok(Http::new::<ClinicError>(root, stop.clone())?)
}

/// What a sync did.
#[uniffi::remote(Record)]
pub struct SyncReport {
    /// Changes that the server has acknowledged.
    pub sent: u64,
    /// Answers and changes of others that were taken in.
    pub received: u64,
    /// Changes that may leave and have not.
    pub waiting: u64,
    /// Changes that stay for lack of consent.
    pub held_back: u64,
    /// Changes that the server refuses; all of them, not this sync's alone.
    pub quarantined: Vec<Quarantined>,
    /// Elements changed on both sides in this sync, to be looked at.
    pub reviews: u64,
    /// Bodies sent and received.
    pub bytes: u64,
}

/// A record that the server refuses.
#[uniffi::remote(Record)]
pub struct Quarantined {
    /// The record's id.
    pub id: String,
    /// The record's kind.
    pub kind: String,
    /// The server's words.
    pub reason: String,
}

/// What the doctor is asked to do to sign in.
#[uniffi::remote(Record)]
pub struct Prompt {
    /// To be typed.
    pub user_code: String,
    /// Where.
    pub address: String,
    /// The same with the code in it, for a link or a QR code.
    pub whole_address: Option<String>,
}

/// An element that was changed here and on the server.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Review {
    /// UUIDv7.
    pub id: String,
    /// `Type/id`.
    pub reference: String,
    /// The element's name in FHIR.
    pub element: String,
    /// What was written here, as JSON.
    pub ours: String,
    /// What is in place, as JSON.
    pub theirs: String,
    /// RFC 3339, UTC.
    pub made_at: String,
}

impl From<clinic::Review> for Review {
    fn from(r: clinic::Review) -> Self {
        Self {
            id: r.id,
            reference: r.reference,
            element: r.element,
            ours: r.ours.to_string(),
            theirs: r.theirs.to_string(),
            made_at: r.made_at,
        }
    }
}
