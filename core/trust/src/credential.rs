//! Doctors' credentials: PASETO v4.public tokens (Ed25519; the token names no algorithm that could be confused), bound to a device's key,
//! and the signed list of those that were revoked.

use crate::envelope::{ENVELOPE_LIMIT, Envelope, Purpose};
use crate::key::hex;
use crate::{PublicKey, Role, SigningKey, TrustError};
use jiff::{SignedDuration, Timestamp};
use pasetors::keys::{AsymmetricPublicKey, AsymmetricSecretKey};
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// No token is larger, bytes.
pub const TOKEN_LIMIT: u64 = 8 << 10;
/// No list of revocations is larger, bytes.
pub const REVOCATIONS_LIMIT: u64 = ENVELOPE_LIMIT;
/// The format that this version reads.
const FORMAT: u32 = 1;
/// Signed with the token and never sent: the token is good for nothing else.
const ASSERTION: &[u8] = b"barefoot credential v1";
/// Most characters of a name or a licence number.
const LONGEST: usize = 200;

/// What a credential says; names as in RFC 7519.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Format of this text.
    pub format: u32,
    /// The credential's id, 32 hexadecimal digits; what is revoked.
    pub jti: String,
    /// The doctor's name.
    pub sub: String,
    /// The doctor's licence, as the authority writes it; may be empty.
    pub licence: String,
    /// The one device on which it counts.
    pub device: PublicKey,
    /// When it was issued.
    pub iat: Timestamp,
    /// From when it counts.
    pub nbf: Timestamp,
    /// Until when.
    pub exp: Timestamp,
}

/// A credential whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// What it says.
    #[serde(flatten)]
    pub claims: Claims,
    /// Who issued it.
    pub issuer: PublicKey,
}

impl Claims {
    /// A credential's claims with a new id, from `now` on for some days.
    ///
    /// # Errors
    /// When the system gives no random numbers, or a text or the time is out of bounds.
    pub fn new(sub: &str, licence: &str, device: PublicKey, now: Timestamp, days: u32) -> Result<Self, TrustError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let exp = now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).map_err(|_| TrustError::Damaged)?;
        let claims = Self {
            format: FORMAT,
            jti: hex(&id),
            sub: sub.to_owned(),
            licence: licence.to_owned(),
            device,
            iat: now,
            nbf: now,
            exp,
        };
        claims.check().map_err(|_| TrustError::Claims)?;
        Ok(claims)
    }

    fn check(&self) -> Result<(), TrustError> {
        let short = |text: &str| text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
        let sound = !self.sub.trim().is_empty()
            && short(&self.sub)
            && short(&self.licence)
            && is_id(&self.jti)
            && self.nbf < self.exp
            && self.iat <= self.exp;
        if sound { Ok(()) } else { Err(TrustError::Damaged) }
    }

    /// The token: the claims, signed. No I/O.
    ///
    /// # Errors
    /// When a text or a time is out of bounds.
    pub fn issue(&self, key: &SigningKey) -> Result<String, TrustError> {
        self.check()?;
        let payload = serde_json::to_vec(self).map_err(|_| TrustError::Damaged)?;
        let secret = AsymmetricSecretKey::<V4>::from(key.secret_bytes().as_slice()).map_err(|_| TrustError::Key)?;
        PublicToken::sign(&secret, &payload, None, Some(ASSERTION)).map_err(|_| TrustError::Damaged)
    }
}

impl Credential {
    /// Reads a token that one of the role's keys has signed. Says nothing about time, device and revocation. No I/O.
    ///
    /// # Errors
    /// When it is no token, or nobody of the role has signed it.
    pub fn open(token: &str, role: &Role) -> Result<Self, TrustError> {
        if token.len() as u64 > TOKEN_LIMIT {
            return Err(TrustError::TooLarge);
        }
        let untrusted = UntrustedToken::try_from(token.trim()).map_err(|_| TrustError::Damaged)?;
        // No footer: nothing is read that the issuer did not need to say.
        if !untrusted.untrusted_footer().is_empty() {
            return Err(TrustError::Signatures);
        }
        let signed = role.keys.iter().find_map(|issuer| {
            let key = AsymmetricPublicKey::<V4>::from(issuer.bytes()).ok()?;
            let trusted = PublicToken::verify(&key, &untrusted, None, Some(ASSERTION)).ok()?;
            Some((*issuer, trusted))
        });
        let (issuer, trusted) = signed.ok_or(TrustError::Signatures)?;
        let claims: Claims = serde_json::from_str(trusted.payload()).map_err(|_| TrustError::Damaged)?;
        if claims.format != FORMAT {
            return Err(TrustError::Format(claims.format));
        }
        claims.check()?;
        Ok(Self { claims, issuer })
    }

    /// Whether it counts on this device at this time, under this list of revocations.
    ///
    /// # Errors
    /// Which of the four it fails: device, revocation, begin, end.
    pub fn counts(
        &self,
        device: Option<&PublicKey>,
        revocations: &Revocations,
        now: Timestamp,
    ) -> Result<(), TrustError> {
        let claims = &self.claims;
        if device != Some(&claims.device) {
            return Err(TrustError::OtherDevice);
        }
        if revocations.credentials.contains(&claims.jti) {
            return Err(TrustError::Revoked);
        }
        if now < claims.nbf {
            return Err(TrustError::NotYetValid);
        }
        if now < claims.exp { Ok(()) } else { Err(TrustError::Expired) }
    }
}

/// The list of revoked credentials. A newer list names at least what an older one did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// Format of this text.
    pub format: u32,
    /// Counts from 1.
    pub version: u64,
    /// When it was signed.
    pub made_at: Timestamp,
    /// Their ids.
    pub credentials: BTreeSet<String>,
}

impl Default for Revocations {
    /// A list of nobody, before the first.
    fn default() -> Self {
        Self { format: FORMAT, version: 0, made_at: Timestamp::UNIX_EPOCH, credentials: BTreeSet::new() }
    }
}

impl Revocations {
    /// Reads a list that enough of the role's keys have signed. No I/O.
    ///
    /// # Errors
    /// When it is no list, or too few have signed it.
    pub fn open(text: &[u8], role: &Role) -> Result<Self, TrustError> {
        Self::parse(Envelope::parse(text)?.verified(Purpose::Revocations, role)?)
    }

    /// A list with more ids, its version counted up, and its signed text. No I/O.
    ///
    /// # Errors
    /// When an id is none.
    pub fn add(&self, ids: &[String], key: &SigningKey, now: Timestamp) -> Result<(Self, String), TrustError> {
        if !ids.iter().all(|id| is_id(id)) {
            return Err(TrustError::Id);
        }
        let mut list = Self { version: self.version.saturating_add(1), made_at: now, ..self.clone() };
        list.credentials.extend(ids.iter().cloned());
        let mut envelope = Envelope::new(serde_json::to_string(&list).map_err(|_| TrustError::Damaged)?);
        envelope.sign(Purpose::Revocations, key);
        let text = envelope.to_text()?;
        Ok((list, text))
    }

    fn parse(text: &str) -> Result<Self, TrustError> {
        let list: Self = serde_json::from_str(text).map_err(|_| TrustError::Damaged)?;
        if list.format != FORMAT {
            return Err(TrustError::Format(list.format));
        }
        if list.credentials.iter().all(|id| is_id(id)) { Ok(list) } else { Err(TrustError::Damaged) }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
