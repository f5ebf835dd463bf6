//! Cases travel when the network returns: outbox -> FHIR R4 and resumable photo upload; answers come back and are merged.
//!
//! Lives here: the protocol ([`Session`]), the three-way merge ([`merge()`]), sign-in, and one module that speaks HTTP ([`Http`]).
//! May not live here: storage (the store is behind [`Records`], which knows what may leave), FHIR's view of a record, drawing.
//!
//! The protocol has no sockets in it: it asks a [`Net`] for answers, pauses and random numbers, so that a fault simulation can give it all
//! that a network can do to it (tests/simulation.rs). docs/sync.md says what it promises.

mod bundle;
mod error;
mod http;
mod merge;
mod net;
mod photos;
mod pull;
mod records;
mod session;
mod sign_in;

pub use bundle::digest;
pub use error::SyncError;
pub use http::Http;
pub use merge::{Base, Conflict, Merged, merge, same};
pub use net::{Lost, Net, Request, Response};
pub use records::{Answer, Change, Known, PHOTO, Records, Review, Settled, Take};
pub use session::{Options, Photos, Progress, Quarantined, Report, Session};
pub use sign_in::{Prompt, set_token, sign_in};
