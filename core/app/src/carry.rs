//! Cases that travel in a sealed file, by memory stick or from phone to phone: out of one store, signed and encrypted to one device; into
//! another store, once sender, signature and every byte have been checked. The file: a parcel (core/clinic), then its photos, in an envelope
//! of core/trust.

use crate::AppError;
use barefoot_clinic::{Clinic, ClinicError, ExportOf, Parcel, Received};
use barefoot_trust::{DeviceKeys, PublicKey, SealedReader, SealedWriter, TrustError, TrustStore, verify_sealed};
use jiff::Timestamp;
use serde::Serialize;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind};
use std::path::Path;

/// What went into a sealed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Who can open it.
    pub recipient: String,
    /// Encounters.
    pub encounters: usize,
    /// Photos.
    pub photos: usize,
    /// Photos that stay behind: purged, or damaged.
    pub photos_left_out: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// What came out of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrived {
    /// The device that sealed it.
    pub sender: PublicKey,
    /// When, by its clock.
    pub made_at: Timestamp,
    /// What became of the records.
    #[serde(flatten)]
    pub received: Received,
}

/// Writes a patient's records, or one encounter's, to a new file that one device alone can open (`recipient`: its `age1...` key). `credential`
/// is the doctor's token, where there is one. Does I/O.
///
/// # Errors
/// When the patient has not agreed, the recipient is none, a file of that name exists, or the disk refuses; no half file stays behind.
pub fn export_sealed(
    clinic: &mut Clinic,
    keys: &DeviceKeys,
    credential: Option<&str>,
    of: ExportOf<'_>,
    recipient: &str,
    file: &Path,
) -> Result<Carried, AppError> {
    let recipient = recipient.trim();
    let parcel = clinic.pack_parcel(of)?;
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::NamedTempFile::new_in(folder).map_err(TrustError::from)?;
    let mut out = SealedWriter::new(BufWriter::new(draft), recipient)?;
    out.chunk(&serde_json::to_vec(&parcel).map_err(ClinicError::from)?)?;
    for photo in parcel.photos() {
        out.chunk(&clinic.photo(photo)?)?;
    }
    let out = out.finish(keys, credential, Timestamp::now())?;
    let draft = out.into_inner().map_err(|error| TrustError::from(error.into_error()))?;
    draft.as_file().sync_all().map_err(TrustError::from)?;
    let bytes = draft.as_file().metadata().map_err(TrustError::from)?.len();
    // Before anybody has the file.
    clinic.note_parcel(&parcel, recipient)?;
    draft.persist_noclobber(file).map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => AppError::from(ClinicError::FileExists),
        _ => TrustError::from(error.error).into(),
    })?;
    let counts = parcel.counts();
    let count = |table| counts.get(table).copied().unwrap_or(0);
    Ok(Carried {
        recipient: recipient.to_owned(),
        encounters: count("encounter"),
        photos: count("photo"),
        photos_left_out: parcel.photos_left_out(),
        bytes,
    })
}

/// Takes in what a sealed file holds: all of it, or nothing; the same file again changes nothing. `from` names a device that is believed
/// from now on. Does I/O.
///
/// # Errors
/// When the file is for another device, cut, changed, or of an unknown sender, or the store refuses.
pub fn import_sealed(
    clinic: &mut Clinic,
    trust: &mut TrustStore,
    keys: &DeviceKeys,
    file: &Path,
    from: Option<PublicKey>,
) -> Result<Arrived, AppError> {
    let open = || File::open(file).map(BufReader::new).map_err(TrustError::from);
    let header = verify_sealed(open()?, keys)?;
    match from {
        Some(named) if named == header.sender => trust.add_sender(named)?,
        Some(_) => return Err(TrustError::OtherSender(header.sender).into()),
        None if trust.knows_sender(&header.sender, header.credential.as_deref(), Timestamp::now()) => {}
        None => return Err(TrustError::UnknownSender(header.sender).into()),
    }
    let mut chunks = SealedReader::open(open()?, keys, &header)?;
    let first = chunks.chunk()?.ok_or(TrustError::Damaged)?;
    let parcel: Parcel = serde_json::from_slice(&first).map_err(|_| ClinicError::ParcelDamaged)?;
    // The last chunk is followed by the end, before the store takes anything in.
    let mut left = parcel.photos().count();
    let end = |chunks: &mut SealedReader<_>| match chunks.chunk()? {
        Some(_) => Err(TrustError::Damaged),
        None => Ok(()),
    };
    if left == 0 {
        end(&mut chunks)?;
    }
    let received = clinic.take_parcel(&parcel, &header.sender.to_string(), || {
        let photo = chunks.chunk()?.ok_or(TrustError::Damaged)?;
        left -= 1;
        if left == 0 {
            end(&mut chunks)?;
        }
        Ok::<_, AppError>(photo)
    })?;
    Ok(Arrived { sender: header.sender, made_at: header.made_at, received })
}
