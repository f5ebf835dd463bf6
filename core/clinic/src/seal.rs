//! The one cipher for everything that is not the database: XChaCha20-Poly1305 with a fresh random nonce, bound to what it is for.

use crate::ClinicError;
use crate::key::random;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const NONCE: usize = 24;

/// Nonce and sealed text in one.
pub(crate) fn seal(key: &[u8; 32], binding: &[u8], plain: &[u8]) -> Result<Vec<u8>, ClinicError> {
    let nonce = random::<NONCE>()?;
    let payload = Payload { msg: plain, aad: binding };
    let cipher = XChaCha20Poly1305::new(key.into());
    // Fails only over 256 GiB.
    let sealed = cipher.encrypt(&XNonce::from(*nonce), payload).map_err(|_| ClinicError::PhotoDamaged)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// What was sealed under this key for this purpose; `None` when it was not, or was changed since.
pub(crate) fn open(key: &[u8; 32], binding: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let payload = Payload { msg: sealed, aad: binding };
    XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(nonce), payload).ok().map(Zeroizing::new)
}
