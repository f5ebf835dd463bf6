//! The root of trust: which keys may sign what, and how many of them must. A new root is signed by enough keys of the one before it and
//! by enough of its own, one version at a time, so that a lost or stolen key is replaced without asking anybody on site. The first root
//! is an act of whoever sets the device up.

use crate::envelope::{Envelope, Purpose};
use crate::{FileEntry, PublicKey, SigningKey, TrustError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The root format that this version reads.
const FORMAT: u32 = 1;
/// Fewest signatures on roots and packs (design: 2 of 3 keys), so that one stolen key signs nothing.
const FEWEST: usize = 2;
/// Most keys of a role; the cost of a check stays small.
const MOST_KEYS: usize = 16;

/// Keys that may sign one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Who.
    pub keys: BTreeSet<PublicKey>,
    /// How many of them must.
    pub threshold: usize,
}

impl Role {
    fn is_sound(&self, fewest: usize) -> bool {
        (fewest..=self.keys.len()).contains(&self.threshold) && self.keys.len() <= MOST_KEYS
    }
}

/// What a root says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Format of this text.
    pub format: u32,
    /// Counts from 1; each root is one more than the one before it.
    pub version: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on no new pack is taken under it, so that keys stolen long ago and never replaced end by themselves. What is installed
    /// stays in use, and the next root follows an expired one like any other.
    pub expires: Option<Timestamp>,
    /// Who signs the next root.
    pub root: Role,
    /// Who signs packs.
    pub packs: Role,
    /// Who issues and revokes credentials.
    pub credentials: Role,
}

#[derive(Deserialize)]
struct JustFormat {
    format: u32,
}

impl Root {
    /// What a new root is to say; [`RootDraft`] makes a file of it.
    #[must_use]
    pub fn new(version: u64, made_at: Timestamp, root: Role, packs: Role, credentials: Role) -> Self {
        Self { format: FORMAT, version, made_at, expires: None, root, packs, credentials }
    }

    /// Reads a root that is to follow `current`; the first one vouches for itself. No I/O.
    ///
    /// # Errors
    /// When it is not signed by enough keys of the current root and of its own, does not follow the current root, or is weak.
    pub fn accept(text: &[u8], current: Option<&Self>) -> Result<Self, TrustError> {
        let envelope = Envelope::parse(text)?;
        let payload = match current {
            Some(current) => envelope.verified(Purpose::Root, &current.root)?,
            None => envelope.unverified(),
        };
        let JustFormat { format } = serde_json::from_str(payload).map_err(|_| TrustError::Damaged)?;
        if format != FORMAT {
            return Err(TrustError::Format(format));
        }
        let root: Self = serde_json::from_str(payload).map_err(|_| TrustError::Damaged)?;
        root.check()?;
        envelope.verified(Purpose::Root, &root.root)?;
        match current {
            Some(current) if root.version < current.version => Err(TrustError::Rollback),
            Some(current) if root != *current && root.version != current.version.saturating_add(1) => {
                Err(TrustError::Chain)
            }
            _ => Ok(root),
        }
    }

    /// SHA-256 of what a root's file says, hex: the same however many have signed it. People compare it before they accept a first root.
    ///
    /// # Errors
    /// When it is no root's file.
    pub fn fingerprint(text: &[u8]) -> Result<String, TrustError> {
        Ok(FileEntry::of(Envelope::parse(text)?.unverified().as_bytes()).sha256)
    }

    fn check(&self) -> Result<(), TrustError> {
        let sound = self.version > 0
            && self.root.is_sound(FEWEST)
            && self.packs.is_sound(FEWEST)
            && self.credentials.is_sound(1)
            // A token bears one signature.
            && self.credentials.threshold == 1;
        if sound { Ok(()) } else { Err(TrustError::WeakRoot) }
    }
}

/// A root that is being made: each key holder adds a signature. No I/O.
#[derive(Debug)]
pub struct RootDraft(Envelope);

impl RootDraft {
    /// A root without signatures.
    ///
    /// # Errors
    /// When it would be weak.
    pub fn new(root: &Root) -> Result<Self, TrustError> {
        root.check()?;
        Ok(Self(Envelope::new(serde_json::to_string(root).map_err(|_| TrustError::Damaged)?)))
    }

    /// One that others have begun to sign.
    ///
    /// # Errors
    /// When it is no root.
    pub fn read(text: &[u8]) -> Result<Self, TrustError> {
        let envelope = Envelope::parse(text)?;
        let root: Root = serde_json::from_str(envelope.unverified()).map_err(|_| TrustError::Damaged)?;
        root.check()?;
        Ok(Self(envelope))
    }

    /// Adds a signature.
    pub fn sign(&mut self, key: &SigningKey) {
        self.0.sign(Purpose::Root, key);
    }

    /// Who has signed it.
    #[must_use]
    pub fn signers(&self) -> Vec<PublicKey> {
        self.0.signers(Purpose::Root)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_text(&self) -> Result<String, TrustError> {
        self.0.to_text()
    }
}
