//! Sync for a clinic: the store as core/sync asks for it, and the two calls that a shell makes. May not live here: the protocol.

use crate::AppError;
use barefoot_clinic::{self as clinic, Clinic, ClinicError, Codes, FromServer, Kind, ServerCopy, SharedClinic, Use};
use barefoot_sync::{
    Answer, Change, Known, Options, Progress, Prompt, Records, Report, Session, Settled, SyncError, digest,
};
use serde_json::Value;
use std::collections::BTreeSet;

pub use barefoot_sync::{Http, Net};

/// A preview is sent of photos that are at least this many times as large: of smaller ones it would cost more than it spares.
const PREVIEW_PART: u64 = 24;

/// A clinic that is reached for one call at a time: a shell's other threads come between while the network is slow.
pub trait Access {
    /// Makes one call.
    ///
    /// # Errors
    /// What the call says; [`ClinicError::Locked`] when the records were closed meanwhile.
    fn with<T>(&mut self, act: impl FnOnce(&mut Clinic) -> Result<T, ClinicError>) -> Result<T, ClinicError>;
}

impl Access for Clinic {
    fn with<T>(&mut self, act: impl FnOnce(&mut Clinic) -> Result<T, ClinicError>) -> Result<T, ClinicError> {
        act(self)
    }
}

/// Other processes come between too.
impl Access for SharedClinic {
    fn with<T>(&mut self, act: impl FnOnce(&mut Clinic) -> Result<T, ClinicError>) -> Result<T, ClinicError> {
        self.lend(act)
    }
}

/// Sends what may leave and fetches what has come. Does I/O, blocks; `watch` hears how far it is.
///
/// # Errors
/// When the server is not reached or lets nobody in, or the store refuses; what was settled until then stays settled.
pub fn sync(
    clinic: &mut impl Access,
    codes: Codes<'_>,
    net: &mut impl Net,
    options: &Options,
    watch: &mut dyn FnMut(Progress),
) -> Result<Report, AppError> {
    let mut records = ClinicRecords { clinic, codes };
    Ok(Session::new(&mut records, net, options, watch).run()?)
}

/// Signs this phone in by OAuth 2.0 device flow; the tokens are kept in the sealed store. Does I/O, blocks until the doctor has answered.
///
/// # Errors
/// When the provider is not reached, the doctor refuses or takes too long, or the store refuses.
pub fn sign_in(
    clinic: &mut impl Access,
    net: &mut impl Net,
    issuer: &str,
    client: &str,
    scope: &str,
    show: &mut dyn FnMut(&Prompt),
) -> Result<(), AppError> {
    let mut records = ClinicRecords { clinic, codes: &|_| None };
    Ok(barefoot_sync::sign_in(&mut records, net, issuer, client, scope, show)?)
}

/// Keeps a token that was handed out by other means, or forgets all. Does I/O.
///
/// # Errors
/// When the store refuses.
pub fn set_token(clinic: &mut impl Access, token: Option<&str>) -> Result<(), AppError> {
    let mut records = ClinicRecords { clinic, codes: &|_| None };
    Ok(barefoot_sync::set_token(&mut records, token)?)
}

/// A clinic as sync sees it.
struct ClinicRecords<'a, A> {
    clinic: &'a mut A,
    codes: Codes<'a>,
}

fn is_there(clinic: &Clinic, reference: &str) -> Result<bool, ClinicError> {
    Ok(clinic.server_copy(reference)?.is_some_and(|copy| copy.version.is_some()))
}

fn of_record(clinic: &Clinic, codes: Codes<'_>, kind: Kind, record: &str) -> Result<Vec<Value>, ClinicError> {
    let mut resources = clinic.fhir_resources(kind, record, codes)?;
    // An encounter that is sent again may have been given its patient since: all that the server has of it follows.
    if kind == Kind::Encounter && is_there(clinic, &format!("Encounter/{record}"))? {
        for (kind, record) in clinic.belonging_to(record)? {
            for resource in clinic.fhir_resources(kind, &record, codes)? {
                let id = resource["id"].as_str().unwrap_or_default();
                if is_there(clinic, &format!("{}/{id}", resource["resourceType"].as_str().unwrap_or_default()))? {
                    resources.push(resource);
                }
            }
        }
    }
    // Doctors are told with the records that name them.
    let mut doctors = BTreeSet::new();
    resources.iter().for_each(|resource| practitioners(resource, &mut doctors));
    let mut all = Vec::new();
    for doctor in doctors {
        all.extend(clinic.fhir_resources(Kind::Doctor, &doctor, codes)?);
    }
    all.append(&mut resources);
    Ok(all)
}

impl<A: Access> Records for ClinicRecords<'_, A> {
    type Error = ClinicError;

    fn waiting(&mut self, root: Option<&str>) -> Result<Vec<Change>, ClinicError> {
        Ok(self.clinic.with(|c| c.sendable(Use::Care, root))?.into_iter().map(change).collect())
    }

    fn held_back(&mut self) -> Result<u64, ClinicError> {
        self.clinic.with(|c| c.held_back(Use::Care))
    }

    fn refused(&mut self) -> Result<Vec<(Change, String)>, ClinicError> {
        let refused = self.clinic.with(|c| c.refused_changes())?;
        Ok(refused.into_iter().map(|(refused, reason)| (change(refused), reason)).collect())
    }

    fn resources(&mut self, kind: &str, record: &str) -> Result<Vec<Value>, ClinicError> {
        // A kind of a newer version waits for that version.
        let Some(kind) = Kind::from_table(kind) else { return Ok(Vec::new()) };
        self.clinic.with(|c| of_record(c, self.codes, kind, record))
    }

    fn current(&mut self, reference: &str) -> Result<Option<Value>, ClinicError> {
        let kind = match reference.split_once('/') {
            Some(("Patient", id)) => (Kind::Patient, id),
            Some(("Appointment", id)) => (Kind::FollowUp, id),
            _ => return Ok(None),
        };
        match self.clinic.with(|c| c.fhir_resources(kind.0, kind.1, self.codes)) {
            Ok(resources) => Ok(resources.into_iter().next()),
            Err(ClinicError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn photo(&mut self, id: &str) -> Result<Option<Vec<u8>>, ClinicError> {
        readable(self.clinic.with(|c| c.photo(id)))
    }

    fn preview(&mut self, id: &str) -> Result<Option<Vec<u8>>, ClinicError> {
        let bytes = self.clinic.with(|c| c.photo_bytes(id))?;
        let preview = readable(self.clinic.with(|c| c.thumbnail(id)))?;
        Ok(preview.filter(|preview| preview.len() as u64 <= bytes / PREVIEW_PART))
    }

    fn known(&mut self, reference: &str) -> Result<Option<Known>, ClinicError> {
        let known =
            |ServerCopy { version, digest, ours, full, attempts }| Known { version, digest, ours, full, attempts };
        Ok(self.clinic.with(|c| c.server_copy(reference))?.map(known))
    }

    fn attempt(&mut self, resources: &[(String, Known)]) -> Result<(), ClinicError> {
        let copies: Vec<_> = resources.iter().map(copy).collect();
        self.clinic.with(|c| c.note_attempts(&copies))
    }

    fn settle(&mut self, settled: &Settled) -> Result<bool, ClinicError> {
        let takes =
            settled.takes.iter().map(|take| (take.resource.clone(), take.digest.clone(), take.elements.clone()));
        let reviews = settled.reviews.iter().cloned().map(|r| (r.reference, r.element, r.ours, r.theirs));
        let from_server = FromServer {
            sent: settled.sent.clone(),
            refused: settled.refused.clone(),
            copies: settled.known.iter().map(copy).collect(),
            takes: takes.collect(),
            reviews: reviews.collect(),
        };
        self.clinic.with(|c| c.settle_with_server(&from_server, self.codes, &digest))
    }

    fn receive(&mut self, answers: &[Answer]) -> Result<u64, ClinicError> {
        let answers: Vec<_> = answers.iter().cloned().map(|answer| (answer.resource, answer.refers_to)).collect();
        self.clinic.with(|c| c.receive_answers(&answers))
    }

    fn value(&mut self, name: &str) -> Result<Option<String>, ClinicError> {
        self.clinic.with(|c| c.server_value(name))
    }

    fn set_value(&mut self, name: &str, value: Option<&str>) -> Result<(), ClinicError> {
        self.clinic.with(|c| c.set_server_value(name, value))
    }
}

/// `None` for a photo that cannot be read any more.
fn readable(photo: Result<Vec<u8>, ClinicError>) -> Result<Option<Vec<u8>>, ClinicError> {
    match photo {
        Ok(jpeg) => Ok(Some(jpeg)),
        Err(ClinicError::PhotoDamaged | ClinicError::PhotoPurged) => Ok(None),
        Err(error) => Err(error),
    }
}

fn change(change: clinic::Change) -> Change {
    Change { seq: change.seq, root: change.root, kind: change.kind, record: change.record }
}

fn copy((reference, known): &(String, Known)) -> (String, ServerCopy) {
    let Known { version, digest, ours, full, attempts } = known.clone();
    (reference.clone(), ServerCopy { version, digest, ours, full, attempts })
}

fn practitioners(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| match member {
            Value::String(reference) if name == "reference" => {
                into.extend(reference.strip_prefix("Practitioner/").map(str::to_owned));
            }
            member => practitioners(member, into),
        }),
        Value::Array(items) => items.iter().for_each(|item| practitioners(item, into)),
        _ => {}
    }
}

impl From<SyncError<ClinicError>> for AppError {
    fn from(error: SyncError<ClinicError>) -> Self {
        match error {
            SyncError::Records(error) => Self::Clinic(error),
            SyncError::Stopped => Self::Cancelled,
            other => Self::Sync(Box::new(other)),
        }
    }
}
