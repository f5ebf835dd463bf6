//! Keys: Ed25519 for signatures (RFC 8032), X25519 for sealed files (age). A device's own keys come from the secret in its vault, so
//! that nothing more has to be kept. Secrets are wiped when dropped.

use crate::TrustError;
use bech32::{Bech32, Hrp};
use ed25519_compact as ed25519;
use hkdf::Hkdf;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;
use zeroize::Zeroizing;

/// First word of a key file, so that no other secret passes for one.
const KEY_FILE: &str = "barefoot-signing-key";
/// No key file is larger, bytes.
const KEY_FILE_LIMIT: u64 = 1024;

/// A public key; written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn verifies(&self, purpose: &str, payload: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = ed25519::Signature::from_slice(signature) else { return false };
        ed25519::PublicKey::new(self.0).verify(message(purpose, payload), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        let bytes = unhex(text.trim()).ok_or(TrustError::Key)?;
        Ok(Self(bytes.try_into().map_err(|_| TrustError::Key)?))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A private key.
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<Self, TrustError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self(seed))
    }

    /// The key of a 32-byte seed, which must not be all zeros.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// What others need to check its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.pair().pk)
    }

    /// Writes the key to a new file with mode 0600; never over another. Does I/O.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write_new(&self, file: &Path) -> Result<(), TrustError> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let text = Zeroizing::new(format!("{KEY_FILE} {}\n", hex(self.0.as_slice())));
        let mut out = options.open(file)?;
        out.write_all(text.as_bytes())?;
        Ok(out.sync_all()?)
    }

    /// Reads a key from its file. Does I/O.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn read(file: &Path) -> Result<Self, TrustError> {
        let bytes = Zeroizing::new(read_limited(file, KEY_FILE_LIMIT)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| TrustError::Key)?;
        let digits = text.trim().strip_prefix(KEY_FILE).ok_or(TrustError::Key)?;
        let seed = Zeroizing::new(unhex(digits.trim()).ok_or(TrustError::Key)?);
        // The library panics at it.
        if seed.iter().all(|byte| *byte == 0) {
            return Err(TrustError::Key);
        }
        Ok(Self::from_seed(seed.as_slice().try_into().map_err(|_| TrustError::Key)?))
    }

    pub(crate) fn sign(&self, purpose: &str, payload: &[u8]) -> Vec<u8> {
        self.pair().sk.sign(message(purpose, payload), None).to_vec()
    }

    /// Seed and public key in one, as libraries take them.
    pub(crate) fn secret_bytes(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(*self.pair().sk)
    }

    fn pair(&self) -> ed25519::KeyPair {
        ed25519::KeyPair::from_seed(ed25519::Seed::new(*self.0))
    }
}

/// What is signed also says what for, so that a signature never passes for one of another kind.
fn message(purpose: &str, payload: &[u8]) -> Vec<u8> {
    [b"barefoot ", purpose.as_bytes(), b" v1\0", payload].concat()
}

/// What a device signs and opens with.
pub struct DeviceKeys {
    signing: SigningKey,
    sealing: age::x25519::Identity,
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(..)")
    }
}

impl DeviceKeys {
    /// The keys of a device, from the secret in its vault (HKDF-SHA-256, RFC 5869). Another device, another secret, other keys.
    ///
    /// # Errors
    /// Never for 32 bytes.
    pub fn derive(secret: &[u8; 32]) -> Result<Self, TrustError> {
        let derive = |purpose: &str| {
            let mut out = Zeroizing::new([0; 32]);
            let expanded =
                Hkdf::<Sha256>::new(Some(b"barefoot device v1"), secret).expand(purpose.as_bytes(), &mut *out);
            expanded.map(|()| out).map_err(|_| TrustError::Key)
        };
        let hrp = Hrp::parse("age-secret-key-").map_err(|_| TrustError::Key)?;
        let sealing = Zeroizing::new(
            bech32::encode::<Bech32>(hrp, derive("sealing")?.as_slice()).map_err(|_| TrustError::Key)?.to_uppercase(),
        );
        Ok(Self {
            signing: SigningKey::from_seed(&*derive("signing")?),
            sealing: sealing.parse().map_err(|_| TrustError::Key)?,
        })
    }

    /// The key to which credentials are bound and which signs sealed files.
    #[must_use]
    pub fn device(&self) -> PublicKey {
        self.signing.public()
    }

    /// The age recipient (`age1...`) to which others seal files for this device.
    #[must_use]
    pub fn sealing(&self) -> String {
        self.sealing.to_public().to_string()
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    pub(crate) fn identity(&self) -> &age::x25519::Identity {
        &self.sealing
    }
}

/// Reads a whole file that is no larger than a limit. Does I/O.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, TrustError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(TrustError::TooLarge) } else { Ok(bytes) }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// The bytes of lower-case hexadecimal digits; one text per value, so that texts can be compared.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}
