//! Trust without a network: packs, doctors' credentials, and files that carry cases between devices.
//!
//! Lives here: who may sign what (root.rs), signed packs and where they are installed (pack.rs, store.rs), credentials and the one table of
//! what they allow (credential.rs, rules.rs), sealed files (sealed.rs). May not live here: what a pack's files mean, patients' records,
//! sockets, clocks: the time is always given.
//!
//! Everything from outside is checked in one order: size, signature, hash, and only then is it parsed. docs/packs.md and docs/credentials.md are the guides.

mod credential;
mod envelope;
mod error;
mod key;
mod pack;
mod root;
mod rules;
mod sealed;
mod store;

pub use credential::{Claims, Credential, REVOCATIONS_LIMIT, Revocations, TOKEN_LIMIT};
pub use error::TrustError;
pub use key::{DeviceKeys, PublicKey, SigningKey};
pub use pack::{FORMAT, FileEntry, Manifest, Pack, PackError, Statement, Version, sign_pack, write_archive};
pub use root::{Role, Root, RootDraft};
pub use rules::{Act, GRACE_DAYS, RULES, Ruling, Standing, Verdict, rule};
pub use sealed::{SEALED_LIMIT, SealedHeader, SealedReader, SealedWriter, verify_sealed};
pub use store::{Installed, TrustStore};
