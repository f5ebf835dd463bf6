//! The packs: listed, verified, found by name or folder.

use crate::error::CliError;
use crate::extend::Extend;
use crate::home::Home;
use crate::language::Language;
use crate::output::{Output, column};
use crate::signing::{Install, Keygen, MakeRoot, Sign, Trust};
use barefoot_app::knowledge::Encyclopedia;
use barefoot_app::trust::Pack;
use barefoot_app::{Assessor, FoundPack, PackOrigin, Packs};
use clap::Subcommand;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;

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
    /// Compare every file of a pack with its manifest, and its signatures with the root
    Verify {
        /// Name, folder or file
        pack: String,
    },
    Install(Install),
    Sign(Sign),
    Keygen(Keygen),
    Root(MakeRoot),
    Trust(Trust),
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
    origin: PackOrigin,
    expires: Option<Timestamp>,
    prototypes: Vec<Mark>,
}

impl From<&FoundPack> for Listed {
    fn from(found: &FoundPack) -> Self {
        let m = found.pack.manifest();
        Self {
            // A pack of another kind has none.
            prototypes: serde_json::from_str::<Marks>(found.pack.manifest_text())
                .map_or(Vec::new(), |marks| marks.prototypes),
            id: m.id.clone(),
            version: m.version.clone(),
            kind: m.kind.clone(),
            licence: m.licence.clone(),
            bytes: m.files.values().map(|f| f.bytes).sum(),
            origin: found.origin,
            expires: found.expires,
        }
    }
}

impl PackCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let found = match self {
            Self::List => {
                let mut names: Vec<String> = embedded::PACKS.iter().map(|(id, _)| (*id).to_owned()).collect();
                names.extend(of(home).names()?.into_iter().filter(|name| built_in(name).is_none()));
                names.iter().map(|name| find(name, home, output)).collect::<Result<Vec<_>, _>>()?
            }
            Self::Verify { pack } if is_path(&pack) => vec![of(home).verify(Path::new(&pack))?],
            Self::Verify { pack } => vec![find(&pack, home, output)?],
            Self::Extend(extend) => return extend.run(home, output),
            Self::Install(install) => return install.run(home, output),
            Self::Sign(sign) => return sign.run(output),
            Self::Keygen(keygen) => return keygen.run(output),
            Self::Root(root) => return root.run(output),
            Self::Trust(trust) => return trust.run(home, output),
        };
        let listed: Vec<Listed> = found.iter().map(Listed::from).collect();
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
                    "{}{}{}{}{:.1} MB  {}\n{marks}",
                    column(&l.id, 14),
                    column(&l.version, 8),
                    column(&l.kind, 14),
                    column(origin(l.origin, language), 12),
                    l.bytes as f64 / 1e6,
                    l.licence
                )
            };
            listed.iter().map(line).collect()
        });
        Ok(())
    }
}

fn origin(origin: PackOrigin, language: Language) -> &'static str {
    match origin {
        PackOrigin::Signed => language.pick("已签名", "signed"),
        PackOrigin::BuiltIn => language.pick("随程序", "built in"),
        PackOrigin::Local => language.pick("无签名", "unsigned"),
    }
}

fn built_in(name: &str) -> Option<Pack> {
    let (_, files) = embedded::PACKS.iter().find(|(id, _)| *id == name)?;
    Pack::from_memory(files).ok()
}

/// The packs of this device.
pub(crate) fn of(home: &Home) -> Packs<'static> {
    Packs::new(home.folder().ok(), &built_in)
}

/// The encyclopedia of this program.
pub(crate) fn encyclopedia() -> Result<Encyclopedia, CliError> {
    Ok(Encyclopedia::from_static(embedded::ENCYCLOPEDIA)?)
}

/// A bare name is never a folder, so that a folder of that name in the current directory does not stand in for a pack.
fn is_path(name: &str) -> bool {
    name.contains(['/', '\\', '.'])
}

/// A pack by folder, file or name. Says when it is not what somebody might expect.
pub(crate) fn find(name: &str, home: &Home, output: Output) -> Result<FoundPack, CliError> {
    if is_path(name) {
        return Ok(Packs::read(Path::new(name))?);
    }
    let found = of(home).find(name)?.ok_or(CliError::NoPack)?;
    if let Some(error) = &found.instead_of {
        let (id, version) = (&found.pack.manifest().id, &found.pack.manifest().version);
        output.note(
            &format!("已安装的{id}不能用，改用{version}版：{}", error.zh()),
            &format!("The installed {id} cannot be used, {version} is used instead: {error}"),
        );
    }
    if found.is_expired(Timestamp::now()) {
        let id = &found.pack.manifest().id;
        output.note(
            &format!("数据包{id}已过建议使用期：仍可使用，请尽快获取新版"),
            &format!(
                "The pack {id} is past the date until which its signers advise it: it still works, fetch a newer one"
            ),
        );
    }
    Ok(found)
}

/// An assessor on a pack.
pub(crate) fn assessor(name: &str, home: &Home, output: Output) -> Result<Assessor, CliError> {
    let found = find(name, home, output)?;
    Ok(Assessor::new(&found.pack, encyclopedia()?)?.vouched_by(found.origin))
}
