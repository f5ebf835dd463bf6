//! Which pack counts under a name: a signed one that was installed, then the program's own, then an unsigned one of the data folder. An
//! unsigned pack never stands in for another of its name. May not live here: how a pack is checked (core/trust).

use crate::AppError;
use crate::assess::Assessor;
use barefoot_knowledge::Encyclopedia;
use barefoot_trust::{Pack, Statement, TrustError, TrustStore};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a pack comes from, and so who vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PackOrigin {
    /// Installed, signed by keys of the root.
    Signed,
    /// Part of the program.
    BuiltIn,
    /// Unsigned, from the data folder or a folder that was named: nobody vouches for it.
    Local,
}

/// A pack that can be used.
#[derive(Debug)]
pub struct FoundPack {
    /// The pack.
    pub pack: Pack,
    /// Who vouches for it.
    pub origin: PackOrigin,
    /// From when on its signers advise to fetch a newer one.
    pub expires: Option<Timestamp>,
    /// Why the installed pack of this name is not the one that is used.
    pub instead_of: Option<TrustError>,
}

impl FoundPack {
    /// Its signers advise to fetch a newer one: a banner, never a lock.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

/// The packs of one device.
pub struct Packs<'a> {
    folder: Option<PathBuf>,
    built_in: &'a dyn Fn(&str) -> Option<Pack>,
}

impl<'a> Packs<'a> {
    /// The packs of a data folder, where there is one, and the program's own by name. No I/O.
    pub fn new(folder: Option<PathBuf>, built_in: &'a dyn Fn(&str) -> Option<Pack>) -> Self {
        Self { folder, built_in }
    }

    /// The pack that counts under a name; `None` when there is none. Does I/O.
    ///
    /// # Errors
    /// When there are some, and none can be used.
    pub fn find(&self, name: &str) -> Result<Option<FoundPack>, AppError> {
        if !is_name(name) {
            return Ok(None);
        }
        let own = (self.built_in)(name);
        let version = own.as_ref().map(|pack| pack.manifest().numbers()).transpose()?;
        let signed = match &self.folder {
            Some(folder) => TrustStore::open(folder).and_then(|store| store.pack(name, version)),
            None => Ok(None),
        };
        let instead_of = match signed {
            Ok(Some(installed)) => {
                return Ok(Some(FoundPack {
                    pack: installed.pack,
                    origin: PackOrigin::Signed,
                    expires: installed.statement.expires,
                    instead_of: installed.instead_of,
                }));
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if let Some(pack) = own {
            return Ok(Some(FoundPack { pack, origin: PackOrigin::BuiltIn, expires: None, instead_of }));
        }
        // A local pack of the name of an installed one would hide that this one is broken.
        if let Some(error) = instead_of {
            return Err(error.into());
        }
        match self.local().remove(name) {
            Some(folder) => Self::read(&folder).map(Some),
            None => Ok(None),
        }
    }

    /// A pack by its folder or file, whoever made it. Does I/O.
    ///
    /// # Errors
    /// When it is not whole.
    pub fn read(path: &Path) -> Result<FoundPack, AppError> {
        Ok(FoundPack { pack: Pack::read(path)?, origin: PackOrigin::Local, expires: None, instead_of: None })
    }

    /// A pack by its folder or file; one that bears signatures must be signed by enough of the root's keys. Does I/O.
    ///
    /// # Errors
    /// When it is not whole, or its signatures do not count here.
    pub fn verify(&self, path: &Path) -> Result<FoundPack, AppError> {
        let found = Self::read(path)?;
        if found.pack.signature().is_none() {
            return Ok(found);
        }
        let store = self.folder.as_deref().map(TrustStore::open).transpose()?;
        let root = store.as_ref().and_then(TrustStore::root).ok_or(TrustError::NoRoot)?;
        let (pack, statement) = Pack::read_signed(path, root)?;
        Ok(FoundPack { pack, origin: PackOrigin::Signed, expires: statement.expires, instead_of: None })
    }

    /// Names of the packs of the data folder: installed ones, then local ones that none of the others hides. Does I/O.
    ///
    /// # Errors
    /// When the list of installed packs cannot be read.
    pub fn names(&self) -> Result<Vec<String>, AppError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut names: Vec<String> = TrustStore::open(folder)?.pack_ids().map(str::to_owned).collect();
        let hidden = |name: &String| names.contains(name) || (self.built_in)(name).is_some();
        let local: Vec<String> = self.local().into_keys().filter(|name| !hidden(name)).collect();
        names.extend(local);
        Ok(names)
    }

    /// Installs a signed pack once it has proved usable with this encyclopedia; the one before it is kept. Does I/O.
    ///
    /// # Errors
    /// When it is refused; what was installed stays in use.
    pub fn install(&self, source: &Path, encyclopedia: Encyclopedia) -> Result<Statement, AppError> {
        let folder = self.folder.as_ref().ok_or(TrustError::NoRoot)?;
        TrustStore::open(folder)?
            .install_pack(source, Timestamp::now(), self.built_in, |pack| Assessor::new(pack, encyclopedia).map(drop))
    }

    /// Folders of unsigned packs, by name.
    fn local(&self) -> BTreeMap<String, PathBuf> {
        let entries = self.folder.iter().filter_map(|folder| fs::read_dir(folder.join("packs")).ok()).flatten();
        let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
        let usable = |(name, path): &(String, PathBuf)| is_name(name) && path.join("manifest.json").is_file();
        entries.flatten().filter_map(named).filter(usable).collect()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
