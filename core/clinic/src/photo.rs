//! Sealed photo files. A file is bound to its photo and encounter, so that a swapped or renamed file is noticed.
//!
//! A photo is first written whole into `incoming/`, then named by a committed row, then moved to its place; opening the store needs to
//! look at `incoming/` only, however many photos there are. Keys of photos live in the database and so rotate with its key.
//! May not live here: rows about photos.

use crate::ClinicError;
use crate::database::hex;
use crate::key::{Secret, sync_folder};
use crate::seal;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a sealed file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Original,
    Thumbnail,
}

impl Part {
    fn magic(self) -> &'static [u8; 4] {
        match self {
            Self::Original => b"BFP1",
            Self::Thumbnail => b"BFT1",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Original => "bfp",
            Self::Thumbnail => "bft",
        }
    }
}

/// The folder of sealed photos.
pub(crate) struct PhotoFolder {
    folder: PathBuf,
    keys: BTreeMap<i64, Secret>,
}

impl PhotoFolder {
    pub(crate) fn open(folder: PathBuf, keys: BTreeMap<i64, Secret>) -> Result<Self, ClinicError> {
        fs::create_dir_all(folder.join("incoming"))?;
        Ok(Self { folder, keys })
    }

    /// The key under which new photos are sealed.
    pub(crate) fn current_key(&self) -> i64 {
        self.keys.last_key_value().map_or(0, |(&id, _)| id)
    }

    pub(crate) fn add_key(&mut self, id: i64, key: Secret) {
        self.keys.insert(id, key);
    }

    /// Writes a photo under the current key so that it is on the disk, whole, before the caller's transaction begins. Does I/O.
    pub(crate) fn write(&self, photo: &str, encounter: &str, jpeg: &[u8]) -> Result<(), ClinicError> {
        let sealed = self.sealed(Part::Original, self.current_key(), photo, encounter, jpeg)?;
        self.put(&self.incoming(photo), &sealed)
    }

    /// Writes a thumbnail beside its photo, under the photo's key. Does I/O.
    pub(crate) fn write_thumbnail(
        &self,
        key: i64,
        photo: &str,
        encounter: &str,
        jpeg: &[u8],
    ) -> Result<(), ClinicError> {
        let sealed = self.sealed(Part::Thumbnail, key, photo, encounter, jpeg)?;
        let place = self.place(Part::Thumbnail, photo);
        self.make_shelf(&place)?;
        self.put(&place, &sealed)
    }

    /// Moves photos whose rows are committed to their places; what fails is done at the next opening. Does I/O.
    pub(crate) fn settle<'a>(&self, photos: impl Iterator<Item = &'a str>) {
        for photo in photos {
            let place = self.place(Part::Original, photo);
            // Reading looks in both places, so an error here loses nothing.
            let _ = self.make_shelf(&place).and_then(|()| Ok(fs::rename(self.incoming(photo), &place)?));
        }
    }

    /// Settles or removes what a killed process left, by whether a row names it. Does I/O.
    pub(crate) fn recover(
        &self,
        mut has_row: impl FnMut(&str) -> Result<bool, ClinicError>,
    ) -> Result<(), ClinicError> {
        for entry in fs::read_dir(self.folder.join("incoming"))? {
            let path = entry?.path();
            let named = path.extension().is_some_and(|e| e == Part::Original.extension());
            match path.file_stem().and_then(|stem| stem.to_str()) {
                Some(photo) if named && has_row(photo)? => self.settle(std::iter::once(photo)),
                _ => fs::remove_file(&path)?,
            }
        }
        Ok(())
    }

    /// Reads and opens a photo or its thumbnail. Does I/O.
    pub(crate) fn read(&self, part: Part, key: i64, photo: &str, encounter: &str) -> Result<Vec<u8>, ClinicError> {
        let bytes = match fs::read(self.place(part, photo)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && part == Part::Original => {
                fs::read(self.incoming(photo))?
            }
            other => other?,
        };
        let sealed = bytes.strip_prefix(part.magic()).ok_or(ClinicError::PhotoDamaged)?;
        let key = self.keys.get(&key).ok_or(ClinicError::PhotoDamaged)?;
        let plain = seal::open(key, &binding(part, photo, encounter), sealed).ok_or(ClinicError::PhotoDamaged)?;
        Ok(plain.to_vec())
    }

    /// Removes an original; true when there was one. Does I/O.
    pub(crate) fn remove_original(&self, photo: &str) -> Result<bool, ClinicError> {
        let mut removed = false;
        for path in [self.place(Part::Original, photo), self.incoming(photo)] {
            match fs::remove_file(path) {
                Ok(()) => removed = true,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(removed)
    }

    fn sealed(&self, part: Part, key: i64, photo: &str, encounter: &str, jpeg: &[u8]) -> Result<Vec<u8>, ClinicError> {
        let key = self.keys.get(&key).ok_or(ClinicError::PhotoDamaged)?;
        let sealed = seal::seal(key, &binding(part, photo, encounter), jpeg)?;
        Ok([part.magic().as_slice(), &sealed].concat())
    }

    fn put(&self, place: &Path, bytes: &[u8]) -> Result<(), ClinicError> {
        let mut draft = tempfile::NamedTempFile::new_in(self.folder.join("incoming"))?;
        draft.write_all(bytes)?;
        draft.as_file().sync_all()?;
        draft.persist(place).map_err(|error| error.error)?;
        sync_folder(place.parent().unwrap_or(&self.folder))
    }

    fn make_shelf(&self, place: &Path) -> Result<(), ClinicError> {
        let shelf = place.parent().unwrap_or(&self.folder);
        if !shelf.is_dir() {
            fs::create_dir_all(shelf)?;
            sync_folder(&self.folder)?;
        }
        Ok(())
    }

    fn incoming(&self, photo: &str) -> PathBuf {
        self.folder.join("incoming").join(photo).with_extension(Part::Original.extension())
    }

    /// 256 shelves by the last two digits, which are random in a UUIDv7. Photo ids are of our own making: no separators.
    fn place(&self, part: Part, photo: &str) -> PathBuf {
        let shelf = photo.get(photo.len().saturating_sub(2)..).unwrap_or("00");
        self.folder.join(shelf).join(photo).with_extension(part.extension())
    }
}

/// SHA-256 and SHA-1 of a photo, hex.
pub(crate) fn hashes(jpeg: &[u8]) -> (String, String) {
    (hex(&Sha256::digest(jpeg)), hex(&Sha1::digest(jpeg)))
}

fn binding(part: Part, photo: &str, encounter: &str) -> Vec<u8> {
    [part.magic().as_slice(), photo.as_bytes(), b"/", encounter.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn folder(dir: &Path) -> PhotoFolder {
        PhotoFolder::open(dir.to_owned(), BTreeMap::from([(1, Zeroizing::new([7; 32]))])).expect("opens")
    }

    #[test]
    fn what_is_written_is_read_and_every_flipped_bit_is_noticed() {
        let dir = tempfile::tempdir().expect("dir");
        let photos = folder(dir.path());
        photos.write("p1", "e", b"a small picture").expect("writes");
        assert_eq!(photos.read(Part::Original, 1, "p1", "e").expect("reads from incoming"), b"a small picture");
        photos.settle(["p1"].into_iter());
        assert_eq!(photos.read(Part::Original, 1, "p1", "e").expect("reads from its place"), b"a small picture");
        let path = photos.place(Part::Original, "p1");
        let good = fs::read(&path).expect("file");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).expect("write");
            assert!(matches!(photos.read(Part::Original, 1, "p1", "e"), Err(ClinicError::PhotoDamaged)), "bit {bit}");
        }
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).expect("write");
            assert!(photos.read(Part::Original, 1, "p1", "e").is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_photo_opens_only_under_its_own_name_encounter_and_part() {
        let dir = tempfile::tempdir().expect("dir");
        let photos = folder(dir.path());
        photos.write("p1", "e", b"picture").expect("writes");
        photos.settle(["p1"].into_iter());
        assert!(photos.read(Part::Original, 1, "p1", "other").is_err());
        fs::copy(photos.place(Part::Original, "p1"), photos.place(Part::Thumbnail, "p1")).expect("copy");
        assert!(photos.read(Part::Thumbnail, 1, "p1", "e").is_err());
        fs::rename(photos.place(Part::Original, "p1"), photos.incoming("q1")).expect("rename");
        assert!(photos.read(Part::Original, 1, "q1", "e").is_err());
    }

    #[test]
    fn recovery_settles_what_a_row_names_and_removes_the_rest() {
        let dir = tempfile::tempdir().expect("dir");
        let photos = folder(dir.path());
        photos.write("kept", "e", b"x").expect("writes");
        photos.write("orphan", "e", b"x").expect("writes");
        fs::write(dir.path().join("incoming/.tmpABC"), b"half").expect("write");
        photos.recover(|photo| Ok(photo == "kept")).expect("recovers");
        assert_eq!(fs::read_dir(dir.path().join("incoming")).expect("dir").count(), 0);
        assert!(photos.place(Part::Original, "kept").exists());
        assert!(photos.read(Part::Original, 1, "kept", "e").is_ok());
    }
}
