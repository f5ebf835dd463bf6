//! Where packs are found: a folder, the data folder's `packs/`, or the program itself.

use crate::error::CliError;
use crate::extend::Extend;
use crate::home::Home;
use crate::language::Language;
use crate::output::{Output, column};
use barefoot_app::Assessor;
use barefoot_app::knowledge::Encyclopedia;
use barefoot_app::trust::Pack;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/packs.rs"));
    pub(super) static ENCYCLOPEDIA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/encyclopedia.sqlite"));
}

/// The pack for photos taken with the phone alone.
pub(crate) const DEFAULT: &str = "clinical";

#[derive(Debug, Subcommand)]
pub(crate) enum PackCommand {
    /// The packs that can be used
    List,
    /// Compare every file of a pack with its manifest
    Verify {
        /// Name or folder
        pack: String,
    },
    /// Add a class from confirmed pictures, without training; it is marked as a prototype
    Extend(Extend),
}

/// What a manifest says of classes that were added.
#[derive(Debug, Deserialize)]
struct Marks {
    #[serde(default)]
    prototypes: Vec<Mark>,
}

/// A class that was added, not trained.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    label: String,
    slug: String,
    pictures: usize,
}

#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    version: String,
    kind: String,
    licence: String,
    bytes: u64,
    prototypes: Vec<Mark>,
}

impl From<&Pack> for Listed {
    fn from(pack: &Pack) -> Self {
        let m = pack.manifest();
        Self {
            // A pack of another kind has none.
            prototypes: serde_json::from_str::<Marks>(pack.manifest_text())
                .map_or(Vec::new(), |marks| marks.prototypes),
            id: m.id.clone(),
            version: m.version.clone(),
            kind: m.kind.clone(),
            licence: m.licence.clone(),
            bytes: m.files.values().map(|f| f.bytes).sum(),
        }
    }
}

impl PackCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let packs = match self {
            Self::List => {
                let built_in = embedded::PACKS.iter().map(|(_, files)| Ok(Pack::from_memory(files)?));
                built_in
                    .chain(installed(home).iter().map(|folder| Ok(Pack::read(folder)?)))
                    .collect::<Result<_, CliError>>()?
            }
            Self::Verify { pack } => vec![find(&pack, home)?],
            Self::Extend(extend) => return extend.run(home, output),
        };
        let listed: Vec<Listed> = packs.iter().map(Listed::from).collect();
        output.show(&listed, |language| {
            let mark = |m: &Mark| match language {
                Language::Zh => {
                    format!("    + {} -> {}：原型类，由{}张照片得来，未经训练\n", m.label, m.slug, m.pictures)
                }
                Language::En => {
                    format!("    + {} -> {}: prototype of {} pictures, not trained\n", m.label, m.slug, m.pictures)
                }
            };
            let line = |l: &Listed| {
                let marks: String = l.prototypes.iter().map(mark).collect();
                format!(
                    "{}{}{}{:.1} MB  {}\n{marks}",
                    column(&l.id, 14),
                    column(&l.version, 8),
                    column(&l.kind, 14),
                    l.bytes as f64 / 1e6,
                    l.licence
                )
            };
            listed.iter().map(line).collect()
        });
        Ok(())
    }
}

/// Folders of the packs in the data folder.
fn installed(home: &Home) -> Vec<PathBuf> {
    let folder = home.folder().map(|folder| folder.join("packs"));
    let entries = folder.ok().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join("manifest.json").is_file());
    folders.sort();
    folders
}

/// The encyclopedia of this program.
pub(crate) fn encyclopedia() -> Result<Encyclopedia, CliError> {
    Ok(Encyclopedia::from_static(embedded::ENCYCLOPEDIA)?)
}

/// A pack by folder or name, verified.
pub(crate) fn find(name: &str, home: &Home) -> Result<Pack, CliError> {
    // A bare name is never a folder, so that a folder of that name in the current directory does not stand in for the built-in pack.
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Ok(Pack::read(Path::new(name))?);
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(CliError::NoPack);
    }
    let installed: Option<PathBuf> = home.folder().ok().map(|folder| folder.join("packs").join(name));
    if let Some(folder) = installed.filter(|folder| folder.join("manifest.json").is_file()) {
        return Ok(Pack::read(&folder)?);
    }
    let (_, files) = embedded::PACKS.iter().find(|(id, _)| *id == name).ok_or(CliError::NoPack)?;
    Ok(Pack::from_memory(files)?)
}

/// An assessor on a pack.
pub(crate) fn assessor(name: &str, home: &Home) -> Result<Assessor, CliError> {
    Ok(Assessor::new(&find(name, home)?, encyclopedia()?)?)
}
