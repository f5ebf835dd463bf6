//! A signed text: what is signed, as it was signed, and the signatures. Nothing of the text is parsed before enough signatures hold.

use crate::key::{hex, unhex};
use crate::{PublicKey, Role, SigningKey, TrustError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// No envelope is larger, bytes; 10,000 revocations are 0.4 MB.
pub(crate) const ENVELOPE_LIMIT: u64 = 4 << 20;
/// Most signatures that are looked at.
const MOST_SIGNATURES: usize = 32;

/// What a signed file is for; part of what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Root,
    Pack,
    Revocations,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Pack => "pack",
            Self::Revocations => "revocations",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    payload: String,
    signatures: BTreeMap<PublicKey, String>,
}

impl Envelope {
    pub(crate) fn new(payload: String) -> Self {
        Self { payload, signatures: BTreeMap::new() }
    }

    /// Reads the outside alone.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() as u64 > ENVELOPE_LIMIT {
            return Err(TrustError::TooLarge);
        }
        let envelope: Self = serde_json::from_slice(bytes).map_err(|_| TrustError::Damaged)?;
        if envelope.signatures.len() > MOST_SIGNATURES { Err(TrustError::TooLarge) } else { Ok(envelope) }
    }

    pub(crate) fn sign(&mut self, purpose: Purpose, key: &SigningKey) {
        self.signatures.insert(key.public(), hex(&key.sign(purpose.name(), self.payload.as_bytes())));
    }

    /// The text, once enough of the role's keys have signed it.
    pub(crate) fn verified(&self, purpose: Purpose, role: &Role) -> Result<&str, TrustError> {
        let enough = role.keys.iter().filter(|key| self.is_signed_by(purpose, key)).count() >= role.threshold;
        if enough && role.threshold > 0 { Ok(&self.payload) } else { Err(TrustError::Signatures) }
    }

    /// The text, signed or not: for who adds a signature, and for a root that vouches for itself.
    pub(crate) fn unverified(&self) -> &str {
        &self.payload
    }

    /// Who has signed it so; others may have signed something else.
    pub(crate) fn signers(&self, purpose: Purpose) -> Vec<PublicKey> {
        self.signatures.keys().filter(|key| self.is_signed_by(purpose, key)).copied().collect()
    }

    fn is_signed_by(&self, purpose: Purpose, key: &PublicKey) -> bool {
        let signature = self.signatures.get(key).and_then(|digits| unhex(digits));
        signature.is_some_and(|signature| key.verifies(purpose.name(), self.payload.as_bytes(), &signature))
    }

    pub(crate) fn to_text(&self) -> Result<String, TrustError> {
        serde_json::to_string_pretty(self).map_err(|_| TrustError::Damaged)
    }
}
