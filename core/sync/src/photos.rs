//! Photos, after all text: first small previews of all, as FHIR `Binary`, then the photos by tus 1.0
//! (<https://tus.io/protocols/resumable-upload>) where the server names an endpoint, else as `Binary` too. The address of an upload is kept
//! before its first byte leaves, so that it is resumed even after the app was killed.

use crate::SyncError;
use crate::bundle;
use crate::net::{Net, Request, Response};
use crate::records::{Change, PHOTO, Records, Settled};
use crate::session::{Heard, Outcome, Photos, Session, photo_address};
use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};

/// Bytes per PATCH: 3 s at 20 kB/s, and the most that is ever sent twice after a cut.
const CHUNK: usize = 64 * 1024;
/// Uploads that are begun for one photo in one sync, when the server forgets them.
const BEGINNINGS: u32 = 3;
/// The name under which it is kept whether the endpoint checks SHA-1 sums of chunks.
const CHECKSUM: &str = "tus-checksum";

/// What is kept of a preview (see [`preview_state`]): it waits, is there, or there is none.
const WAITING: &str = "waiting";
const SENT: &str = "sent";
const NONE: &str = "none";

/// What became of an upload.
enum Upload {
    At(String),
    Refused(String),
    /// Consent was withdrawn while it ran.
    Withdrawn,
    /// The server fails at it; the next sync goes on.
    Later,
}

impl<R: Records, N: Net> Session<'_, R, N> {
    pub(crate) fn push_photos(&mut self) -> Outcome<(), R> {
        let mut waiting = self.records.waiting(None).map_err(SyncError::Records)?;
        waiting.retain(|change| change.kind == PHOTO);
        if self.options.photos != Photos::None {
            for change in &waiting {
                self.push_preview(change)?;
            }
        }
        if self.options.photos != Photos::All {
            return Ok(());
        }
        for change in waiting {
            if self.is_aside(&change.root) || !self.may_leave(&change)? {
                continue;
            }
            let name = photo_address(&change.record);
            if self.records.value(&name).map_err(SyncError::Records)?.is_none() {
                let Some(jpeg) = self.records.photo(&change.record).map_err(SyncError::Records)? else {
                    self.refuse(&change, "the photo's file on this phone is damaged".to_owned())?;
                    continue;
                };
                let uploaded = match self.options.files.clone() {
                    Some(files) => self.upload(&files, &change, &jpeg)?,
                    None => self.put_binary(&change, &format!("Binary/{}", change.record), &jpeg)?,
                };
                match uploaded {
                    Upload::At(address) => {
                        self.records.set_value(&name, Some(&address)).map_err(SyncError::Records)?;
                    }
                    Upload::Refused(reason) => {
                        self.refuse(&change, reason)?;
                        continue;
                    }
                    Upload::Withdrawn | Upload::Later => continue,
                }
            }
            self.push(&change.root)?;
        }
        Ok(())
    }

    /// Whether to say that a photo has a preview: one that is there, or that will be before the photo is. What is found out once is kept.
    pub(crate) fn has_preview(&mut self, photo: &str, is_whole: bool) -> Outcome<bool, R> {
        let name = preview_state(photo);
        if let Some(state) = self.records.value(&name).map_err(SyncError::Records)? {
            return Ok(state == SENT || state == WAITING && !is_whole);
        }
        let has = !is_whole && self.records.preview(photo).map_err(SyncError::Records)?.is_some();
        self.records.set_value(&name, Some(if has { WAITING } else { NONE })).map_err(SyncError::Records)?;
        Ok(has)
    }

    fn push_preview(&mut self, change: &Change) -> Outcome<(), R> {
        let name = preview_state(&change.record);
        let waits = self.records.value(&name).map_err(SyncError::Records)?.is_some_and(|state| state == WAITING);
        if !waits || self.is_aside(&change.root) {
            return Ok(());
        }
        let state = match self.records.preview(&change.record).map_err(SyncError::Records)? {
            None => NONE,
            Some(jpeg) => match self.put_binary(change, &preview_address(&change.record), &jpeg)? {
                Upload::At(_) => SENT,
                // The photo itself may be taken; its DocumentReference then names no preview.
                Upload::Refused(_) => NONE,
                Upload::Withdrawn | Upload::Later => return Ok(()),
            },
        };
        self.records.set_value(&name, Some(state)).map_err(SyncError::Records)
    }

    /// Asked anew before every piece.
    fn may_leave(&mut self, change: &Change) -> Outcome<bool, R> {
        let waiting = self.records.waiting(Some(&change.root)).map_err(SyncError::Records)?;
        Ok(waiting.iter().any(|other| other.seq == change.seq))
    }

    fn refuse(&mut self, change: &Change, reason: String) -> Outcome<(), R> {
        self.settle(Settled { refused: vec![(change.seq, reason)], ..Settled::default() }).map(|_| ())
    }

    fn put_binary(&mut self, change: &Change, address: &str, jpeg: &[u8]) -> Outcome<Upload, R> {
        loop {
            if !self.may_leave(change)? {
                return Ok(Upload::Withdrawn);
            }
            let request = Request::new("PUT", format!("{}/{address}", self.options.server))
                .header("content-type", "image/jpeg")
                .header("accept", bundle::FHIR)
                .header("x-security-context", format!("DocumentReference/{}", change.record))
                .header("prefer", "return=minimal")
                .body(jpeg.to_vec());
            match self.send(request)? {
                Heard::Answer(answer) if answer.is_success() => {
                    self.photo_bytes += jpeg.len() as u64;
                    self.tell()?;
                    return Ok(Upload::At(address.to_owned()));
                }
                Heard::Answer(answer) => return Ok(Upload::Refused(words(&answer))),
                Heard::Failed => return Ok(Upload::Later),
                Heard::Nothing => {}
            }
        }
    }

    fn upload(&mut self, files: &str, change: &Change, jpeg: &[u8]) -> Outcome<Upload, R> {
        let name = format!("upload/{}", change.record);
        let mut address = self.records.value(&name).map_err(SyncError::Records)?;
        let mut offset: Option<usize> = None;
        let mut begun = 0;
        let checks_sums = self.checks_sums(files)?;
        loop {
            // Nothing is asked of anybody between this and the bytes: consent may change meanwhile.
            if !self.may_leave(change)? {
                if let Some(address) = address {
                    // What is there of it is no longer wanted there. A server without termination lets it expire.
                    self.send(tus("DELETE", address))?;
                    self.records.set_value(&name, None).map_err(SyncError::Records)?;
                }
                return Ok(Upload::Withdrawn);
            }
            let Some(at) = address.clone() else {
                if begun == BEGINNINGS {
                    return Ok(Upload::Later);
                }
                match self.create(files, change, jpeg)? {
                    Heard::Answer(answer) if answer.status == 201 => {
                        let Some(at) = answer.header("location").map(|location| absolute(files, location)) else {
                            return Ok(Upload::Refused(words(&answer)));
                        };
                        self.records.set_value(&name, Some(&at)).map_err(SyncError::Records)?;
                        begun += 1;
                        (address, offset) = (Some(at), Some(0));
                    }
                    Heard::Answer(answer) => return Ok(Upload::Refused(words(&answer))),
                    Heard::Failed => return Ok(Upload::Later),
                    Heard::Nothing => {}
                }
                continue;
            };
            let Some(from) = offset else {
                match self.send(tus("HEAD", at))? {
                    Heard::Answer(answer) if answer.is_success() => offset = offset_in(&answer),
                    // The server has forgotten it.
                    Heard::Answer(_) => address = None,
                    Heard::Failed => return Ok(Upload::Later),
                    Heard::Nothing => {}
                }
                if address.is_some() && offset.is_some_and(|offset| offset > jpeg.len()) {
                    address = None;
                }
                continue;
            };
            if from == jpeg.len() {
                self.records.set_value(&name, None).map_err(SyncError::Records)?;
                return Ok(Upload::At(at));
            }
            let chunk = &jpeg[from..jpeg.len().min(from + CHUNK)];
            let mut request = tus("PATCH", at)
                .header("content-type", "application/offset+octet-stream")
                .header("upload-offset", from.to_string());
            if checks_sums {
                request =
                    request.header("upload-checksum", format!("sha1 {}", Base64::encode_string(&Sha1::digest(chunk))));
            }
            match self.send(request.body(chunk.to_vec()))? {
                Heard::Answer(answer) if answer.is_success() => {
                    self.photo_bytes += chunk.len() as u64;
                    self.tell()?;
                    offset = offset_in(&answer);
                }
                // 409: another offset is wanted; 460: the sum did not fit.
                Heard::Answer(answer) if matches!(answer.status, 409 | 423 | 460) => offset = None,
                Heard::Answer(answer) if matches!(answer.status, 404 | 410) => address = None,
                Heard::Answer(answer) => return Ok(Upload::Refused(words(&answer))),
                Heard::Failed => return Ok(Upload::Later),
                Heard::Nothing => offset = None,
            }
        }
    }

    fn create(&mut self, files: &str, change: &Change, jpeg: &[u8]) -> Outcome<Heard, R> {
        let metadata = |value: &str| Base64::encode_string(value.as_bytes());
        let request = tus("POST", files.to_owned()).header("upload-length", jpeg.len().to_string()).header(
            "upload-metadata",
            format!("filename {},filetype {}", metadata(&change.record), metadata("image/jpeg")),
        );
        self.send(request)
    }

    /// Whether the endpoint offers the checksum extension with SHA-1; asked once.
    fn checks_sums(&mut self, files: &str) -> Outcome<bool, R> {
        if let Some(kept) = self.records.value(CHECKSUM).map_err(SyncError::Records)? {
            return Ok(kept == format!("{files} sha1"));
        }
        let offered = loop {
            match self.send(tus("OPTIONS", files.to_owned()))? {
                Heard::Answer(answer) => {
                    let has = |name: &str, wanted: &str| {
                        answer.header(name).is_some_and(|list| list.split(',').any(|item| item.trim() == wanted))
                    };
                    break has("tus-extension", "checksum") && has("tus-checksum-algorithm", "sha1");
                }
                Heard::Failed => return Ok(false),
                Heard::Nothing => {}
            }
        };
        let kept = format!("{files} {}", if offered { "sha1" } else { "none" });
        self.records.set_value(CHECKSUM, Some(&kept)).map_err(SyncError::Records)?;
        Ok(offered)
    }
}

/// Where a photo's preview is, on the FHIR server.
pub(crate) fn preview_address(photo: &str) -> String {
    format!("Binary/{photo}-preview")
}

/// The name under which it is kept what became of a photo's preview.
fn preview_state(photo: &str) -> String {
    format!("preview/{photo}")
}

fn tus(method: &'static str, url: String) -> Request {
    Request::new(method, url).header("tus-resumable", "1.0.0")
}

fn offset_in(answer: &Response) -> Option<usize> {
    answer.header("upload-offset")?.trim().parse().ok()
}

/// A Location may be a whole address, a path, or relative to the endpoint.
fn absolute(files: &str, location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    let host = files.find("://").and_then(|at| files[at + 3..].find('/').map(|slash| at + 3 + slash));
    match location.strip_prefix('/') {
        Some(_) => format!("{}{location}", &files[..host.unwrap_or(files.len())]),
        None => format!("{}/{location}", files.trim_end_matches('/')),
    }
}

fn words(answer: &Response) -> String {
    bundle::outcome(answer).unwrap_or_else(|| {
        let text: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
        format!("status {} {}", answer.status, text.trim()).trim().to_owned()
    })
}
