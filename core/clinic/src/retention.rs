//! What stays on a full phone: originals may go once a server has them, thumbnails stay. Nothing else is ever removed.

use crate::audit::Action;
use crate::kind::Kind;
use crate::photo::Part;
use crate::{Clinic, ClinicError};
use image::ImageReader;
use image::codecs::jpeg::JpegEncoder;
use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;
use std::io::Cursor;
use std::time::SystemTime;

/// Longer side of a thumbnail, pixels: a third of a phone's screen.
const THUMBNAIL_SIDE: u32 = 320;
/// JPEG quality of a thumbnail.
const THUMBNAIL_QUALITY: u8 = 80;

/// What a purge has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Originals removed.
    pub removed: u64,
    /// Bytes of their JPEGs.
    pub bytes: u64,
    /// Old enough, but no server has acknowledged them yet.
    pub kept_unsent: u64,
    /// Old enough and sent, but no thumbnail could be made: kept for somebody to look at.
    pub kept_damaged: u64,
}

impl Clinic {
    /// A photo's thumbnail as JPEG, at most 320 pixels a side; made and kept when first asked for. Does I/O.
    ///
    /// # Errors
    /// When there is no such photo, or neither thumbnail nor original can be read.
    pub fn thumbnail(&self, id: &str) -> Result<Vec<u8>, ClinicError> {
        let row = self.photo_row(id)?;
        match self.photos.read(Part::Thumbnail, row.key, id, &row.encounter) {
            Ok(jpeg) => Ok(jpeg),
            Err(error) if row.purged => Err(error),
            Err(_) => {
                let small = shrink(&self.photo(id)?).ok_or(ClinicError::PhotoDamaged)?;
                self.photos.write_thumbnail(row.key, id, &row.encounter, &small)?;
                Ok(small)
            }
        }
    }

    /// Removes originals that were taken before `before` and that a server has acknowledged. Does I/O.
    ///
    /// # Errors
    /// When the disk or the database refuses; what was removed until then is logged.
    pub fn purge_originals(&mut self, before: SystemTime) -> Result<Purged, ClinicError> {
        let sql = "SELECT id, bytes, purged_at IS NOT NULL,
                EXISTS (SELECT 1 FROM outbox WHERE record = photo.id AND state = 'sent')
                    AND NOT EXISTS (SELECT 1 FROM outbox WHERE record = photo.id AND state <> 'sent')
            FROM photo WHERE taken_at < ?1 ORDER BY id";
        // A time that has no date: nothing is that old.
        let before = Timestamp::try_from(before).unwrap_or(Timestamp::MIN).to_string();
        let old = self
            .db
            .prepare(sql)?
            .query_map([before], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<Result<Vec<(String, u64, bool, bool)>, _>>()?;
        let mut purged = Purged::default();
        for (id, bytes, already, sent) in old {
            if already {
                // A purge that was killed between its commit and the removal.
                self.photos.remove_original(&id)?;
            } else if !sent {
                purged.kept_unsent += 1;
            } else if self.thumbnail(&id).is_err() {
                purged.kept_damaged += 1;
            } else {
                let work = self.work()?;
                work.tx.execute("UPDATE photo SET purged_at = ?2 WHERE id = ?1", params![id, work.now])?;
                work.log_here(Action::Purged, Kind::Photo, &id)?;
                work.commit()?;
                self.photos.remove_original(&id)?;
                purged.removed += 1;
                purged.bytes += bytes;
            }
        }
        Ok(purged)
    }
}

fn shrink(jpeg: &[u8]) -> Option<Vec<u8>> {
    let picture = ImageReader::with_format(Cursor::new(jpeg), image::ImageFormat::Jpeg).decode().ok()?;
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, THUMBNAIL_QUALITY)
        .encode_image(&picture.thumbnail(THUMBNAIL_SIDE, THUMBNAIL_SIDE).into_rgb8())
        .ok()?;
    Some(out)
}
