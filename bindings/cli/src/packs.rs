//! Where packs are found: a folder, the data folder's `packs/`, or the program itself.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column};
use barefoot_app::Assessor;
use barefoot_app::knowledge::Encyclopedia;
use barefoot_app::trust::{Manifest, Pack};
use clap::Subcommand;
use serde::Serialize;
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
}

#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    version: String,
    kind: String,
    licence: String,
    bytes: u64,
}

impl From<&Manifest> for Listed {
    fn from(m: &Manifest) -> Self {
        Self {
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
            Self::List => embedded::PACKS
                .iter()
                .map(|(_, files)| Ok(Pack::from_memory(files)?))
                .collect::<Result<Vec<_>, CliError>>()?,
            Self::Verify { pack } => vec![find(&pack, home)?],
        };
        let listed: Vec<Listed> = packs.iter().map(|p| p.manifest().into()).collect();
        output.show(&listed, |_| {
            let line = |l: &Listed| {
                format!(
                    "{}{}{}{:.1} MB  {}\n",
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
