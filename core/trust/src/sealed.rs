//! Sealed files: chunks of bytes, signed by one device and encrypted to another (age, X25519), that a memory stick or another phone carries.
//!
//! Inside the encryption: `BFSEAL1\n`, chunks (each a big-endian u32 length and its bytes), a length of zero, then the header and its
//! signature. The header names sender and recipient, so that a recipient cannot pass the file on as sent to somebody else, and holds the
//! SHA-256 of all that comes before it. A file is read twice: once to check the whole of it, then for its chunks; memory is one chunk.
//! May not live here: what the chunks mean.

use crate::key::hex;
use crate::{DeviceKeys, PublicKey, TrustError};
use age::stream::{StreamReader, StreamWriter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, Read, Write};

const MAGIC: &[u8; 8] = b"BFSEAL1\n";
const FORMAT: u32 = 1;
/// Largest chunk, bytes: the text of 100,000 cases, twice a largest photo.
pub const SEALED_LIMIT: u32 = 64 << 20;
/// Largest header, bytes: keys, a hash and a credential.
const HEADER_LIMIT: u32 = 16 << 10;
const SIGNATURE: usize = 64;
const PURPOSE: &str = "sealed";

/// What the sender states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedHeader {
    /// Format of the file.
    pub format: u32,
    /// Who sealed it.
    pub sender: PublicKey,
    /// The age recipient it was sealed to.
    pub recipient: String,
    /// When.
    pub made_at: Timestamp,
    /// The sender's credential, where there is one.
    pub credential: Option<String>,
    /// SHA-256 of all before the header, hex.
    sha256: String,
}

/// Writes a sealed file. Does I/O.
pub struct SealedWriter<W: Write> {
    inner: StreamWriter<W>,
    hasher: Sha256,
    recipient: String,
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file for one recipient (`age1...`).
    ///
    /// # Errors
    /// When the recipient is none, or the disk refuses.
    pub fn new(out: W, recipient: &str) -> Result<Self, TrustError> {
        let key: age::x25519::Recipient = recipient.trim().parse().map_err(|_| TrustError::Key)?;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&key as &dyn age::Recipient))
            .map_err(|_| TrustError::Key)?;
        let mut writer = Self { inner: encryptor.wrap_output(out)?, hasher: Sha256::new(), recipient: key.to_string() };
        writer.write(MAGIC)?;
        Ok(writer)
    }

    /// Adds a chunk, which must hold something.
    ///
    /// # Errors
    /// When the chunk is empty or too large, or the disk refuses.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<(), TrustError> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| (1..=SEALED_LIMIT).contains(length));
        self.write(&length.ok_or(TrustError::TooLarge)?.to_be_bytes())?;
        self.write(bytes)
    }

    /// Signs and ends the file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self, keys: &DeviceKeys, credential: Option<&str>, now: Timestamp) -> Result<W, TrustError> {
        self.write(&0u32.to_be_bytes())?;
        let header = SealedHeader {
            format: FORMAT,
            sender: keys.device(),
            recipient: self.recipient.clone(),
            made_at: now,
            credential: credential.map(str::to_owned),
            sha256: hex(&self.hasher.clone().finalize()),
        };
        let header = serde_json::to_vec(&header).map_err(|_| TrustError::Damaged)?;
        let length = u32::try_from(header.len()).ok().filter(|length| *length <= HEADER_LIMIT);
        self.inner.write_all(&length.ok_or(TrustError::TooLarge)?.to_be_bytes())?;
        self.inner.write_all(&header)?;
        self.inner.write_all(&keys.signing_key().sign(PURPOSE, &header))?;
        Ok(self.inner.finish()?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TrustError> {
        self.hasher.update(bytes);
        Ok(self.inner.write_all(bytes)?)
    }
}

/// Reads the chunks of a file that [`verify_sealed`] has found whole. Does I/O.
pub struct SealedReader<R: BufRead> {
    inner: StreamReader<R>,
    hasher: Sha256,
    /// What the sender has signed; `None` while that is being found out.
    sha256: Option<String>,
}

impl<R: BufRead> SealedReader<R> {
    /// Opens a file with this device's keys and what [`verify_sealed`] said of it.
    ///
    /// # Errors
    /// When it is no sealed file, or is sealed to somebody else.
    pub fn open(input: R, keys: &DeviceKeys, header: &SealedHeader) -> Result<Self, TrustError> {
        Self::begin(input, keys, Some(header.sha256.clone()))
    }

    fn begin(input: R, keys: &DeviceKeys, sha256: Option<String>) -> Result<Self, TrustError> {
        let refused = |error| match error {
            age::DecryptError::NoMatchingKeys => TrustError::OtherRecipient,
            _ => TrustError::Damaged,
        };
        let decryptor = age::Decryptor::new_buffered(input).map_err(refused)?;
        let identity = keys.identity() as &dyn age::Identity;
        let inner = decryptor.decrypt(std::iter::once(identity)).map_err(refused)?;
        let mut reader = Self { inner, hasher: Sha256::new(), sha256 };
        let mut magic = [0; MAGIC.len()];
        reader.read(&mut magic)?;
        if &magic == MAGIC { Ok(reader) } else { Err(TrustError::Damaged) }
    }

    /// The next chunk; `None` after the last, which also says that all of them were the ones that the sender has signed: a file may be
    /// exchanged between two readings.
    ///
    /// # Errors
    /// When the file is cut or changed.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, TrustError> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 {
            let signed = self.sha256.as_ref().is_none_or(|signed| *signed == hex(&self.hasher.clone().finalize()));
            return if signed { Ok(None) } else { Err(TrustError::Damaged) };
        }
        let bytes = take(&mut self.inner, length, SEALED_LIMIT)?;
        self.hasher.update(&bytes);
        Ok(Some(bytes))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), TrustError> {
        self.inner.read_exact(bytes).map_err(damaged)?;
        self.hasher.update(bytes);
        Ok(())
    }
}

/// Reads a whole file and checks hash, signature and recipient; the header. Whether the sender may be believed is the
/// caller's to say ([`crate::TrustStore::knows_sender`]). Does I/O.
///
/// # Errors
/// When the file is cut or changed, or sealed to somebody else.
pub fn verify_sealed(input: impl BufRead, keys: &DeviceKeys) -> Result<SealedHeader, TrustError> {
    let mut reader = SealedReader::begin(input, keys, None)?;
    while reader.chunk()?.is_some() {}
    let mut length = [0; 4];
    reader.inner.read_exact(&mut length).map_err(damaged)?;
    let text = take(&mut reader.inner, u32::from_be_bytes(length), HEADER_LIMIT)?;
    let signature = take(&mut reader.inner, SIGNATURE as u32, SIGNATURE as u32)?;
    if reader.inner.read(&mut [0]).map_err(damaged)? != 0 {
        return Err(TrustError::Damaged);
    }
    // The sender's key is in what it signs: this says that the file is the sender's, not that the sender is known.
    let header: SealedHeader = serde_json::from_slice(&text).map_err(|_| TrustError::Damaged)?;
    if header.format != FORMAT {
        return Err(TrustError::Format(header.format));
    }
    let whole = header.sha256 == hex(&reader.hasher.finalize());
    if !whole || !header.sender.verifies(PURPOSE, &text, &signature) {
        return Err(TrustError::Damaged);
    }
    if header.recipient == keys.sealing() { Ok(header) } else { Err(TrustError::OtherRecipient) }
}

fn take(reader: &mut impl Read, length: u32, limit: u32) -> Result<Vec<u8>, TrustError> {
    if length > limit {
        return Err(TrustError::TooLarge);
    }
    // Grows with what is there, not with what a changed length promises.
    let mut bytes = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() == length as usize { Ok(bytes) } else { Err(TrustError::Damaged) }
}

/// age says "unexpected end" and "invalid data" of files that were cut or changed; all else is the disk.
fn damaged(error: io::Error) -> TrustError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => TrustError::Damaged,
        _ => TrustError::Io(error),
    }
}
