//! `barefoot pack keygen|root|trust|sign|install`: who may sign, and what they have signed.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column};
use crate::packs;
use barefoot_app::trust::{
    Pack, PublicKey, Role, Root, RootDraft, SigningKey, Statement, TrustStore, sign_pack, write_archive,
};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Make a signing key in a new file, and print its public key
#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The file; it must not exist. Keep it off the network: whoever has it signs in your name
    file: PathBuf,
}

impl Keygen {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let key = SigningKey::generate()?;
        key.write_new(&self.file)?;
        output.show(&json!({ "public_key": key.public() }), |_| key.public().to_string());
        Ok(())
    }
}

/// Make a root (which keys may sign what), or add a signature to one that others have begun
#[derive(Debug, Args)]
pub(crate) struct MakeRoot {
    /// The root's file; with --version a new one
    file: PathBuf,
    /// Make a new root: 1, or one more than the root before it
    #[arg(long, value_name = "N", requires_all = ["root", "packs", "credentials"])]
    version: Option<u64>,
    /// Public key of one who signs roots; at least 2 of them must sign
    #[arg(long, value_name = "PUBLIC_KEY")]
    root: Vec<PublicKey>,
    /// Public key of one who signs packs; 2 of them must sign
    #[arg(long, value_name = "PUBLIC_KEY")]
    packs: Vec<PublicKey>,
    /// Public key of one who issues credentials; 1 is enough
    #[arg(long, value_name = "PUBLIC_KEY")]
    credentials: Vec<PublicKey>,
    /// Take no new packs under this root from this day on (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", requires = "version")]
    expires: Option<Date>,
    /// File of a key to sign with; may be given more than once
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
}

impl MakeRoot {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let mut draft = match self.version {
            Some(version) => {
                let role = |keys: Vec<PublicKey>, threshold| Role { keys: keys.into_iter().collect(), threshold };
                let root = Root {
                    expires: self.expires.map(day).transpose()?,
                    ..Root::new(
                        version,
                        Timestamp::now(),
                        role(self.root, 2),
                        role(self.packs, 2),
                        role(self.credentials, 1),
                    )
                };
                RootDraft::new(&root)?
            }
            None => RootDraft::read(&read(&self.file, "root")?)?,
        };
        keys(&self.key)?.iter().for_each(|key| draft.sign(key));
        let text = draft.to_text()?;
        match self.version {
            Some(_) => write_new(&self.file, text.as_bytes(), "root")?,
            None => replace(&self.file, text.as_bytes(), "root")?,
        }
        let signers = draft.signers();
        output.show(&json!({ "signed_by": signers }), |language| {
            let said = language.pick("已签名的密钥：", "signed by: ");
            format!("{said}{}", signers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        });
        Ok(())
    }
}

/// Accept a root: the first one by its fingerprint, a later one when the keys of the one before have signed it
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// The root's file
    root: PathBuf,
    /// The first root's fingerprint (SHA-256), as its makers gave it to you by another way
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
}

impl Trust {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let text = read(&self.root, "root")?;
        let mut store = TrustStore::open(&home.folder()?)?;
        let seen = Root::fingerprint(&text)?;
        // Nothing vouches for a first root but a person who compares it.
        if store.root().is_none() && self.fingerprint.as_deref().map(str::trim) != Some(&seen) {
            return Err(CliError::Fingerprint(seen));
        }
        let root = store.accept_root(&text, Timestamp::now())?;
        output.show(&json!({ "version": root.version, "fingerprint": seen, "expires": root.expires }), |language| {
            format!("{}{}\n", column(language.pick("信任根版本", "Root version"), 16), root.version)
        });
        Ok(())
    }
}

/// Sign a pack, or add a signature; 2 keys of the root's pack keys make it installable
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Folder of the pack, or its file
    pack: PathBuf,
    /// File of a key to sign with; may be given more than once
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// From when on devices advise to fetch a newer pack (YYYY-MM-DD); never a lock
    #[arg(long, value_name = "DATE")]
    expires: Option<Date>,
    /// Also write the signed pack as one file, to be carried
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Sign {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let expires = self.expires.map(day).transpose()?;
        let signed = sign_pack(&self.pack, &keys(&self.key)?, Timestamp::now(), expires)?;
        if self.pack.is_dir() {
            let signature = signed.signature().unwrap_or_default();
            replace(&self.pack.join("signature.json"), signature, "pack")?;
        } else {
            replace(&self.pack, &archive(&signed)?, "pack")?;
        }
        if let Some(out) = &self.out {
            write_new(out, &archive(&signed)?, "pack")?;
        }
        let signers = signed.signers()?;
        output.show(
            &json!({ "id": signed.manifest().id, "version": signed.manifest().version, "signed_by": signers }),
            |language| {
                format!("{}  {} {}", signed.manifest().id, signers.len(), language.pick("个签名", "signature(s)"))
            },
        );
        Ok(())
    }
}

/// Install a signed pack, in place of the one of its name; the one before it is kept
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// Folder of the pack, or its file
    pack: PathBuf,
}

impl Install {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let Statement { id, version, expires, .. } = packs::of(home).install(&self.pack, packs::encyclopedia()?)?;
        output.show(&json!({ "id": id, "version": version, "expires": expires }), |language| {
            format!("{} {id} {version}", language.pick("已安装", "installed"))
        });
        Ok(())
    }
}

fn archive(pack: &Pack) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    write_archive(pack, &mut bytes).map_err(|source| CliError::Write { what: "pack", source })?;
    Ok(bytes)
}

/// Signing keys from their files.
pub(crate) fn keys(files: &[PathBuf]) -> Result<Vec<SigningKey>, CliError> {
    Ok(files.iter().map(|file| SigningKey::read(file)).collect::<Result<_, _>>()?)
}

/// The first moment of a day, UTC.
fn day(date: Date) -> Result<Timestamp, CliError> {
    Ok(Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| barefoot_app::trust::TrustError::Damaged)?)
}

/// Reads a file that is small by nature; every reader of it checks its own, lower limit.
pub(crate) fn read(file: &Path, what: &'static str) -> Result<Vec<u8>, CliError> {
    use std::io::Read;
    let fail = |source| CliError::Read { what, source };
    let mut bytes = Vec::new();
    File::open(file).map_err(fail)?.take(16 << 20).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Never over another file.
pub(crate) fn write_new(file: &Path, content: &[u8], what: &'static str) -> Result<(), CliError> {
    let fail = |source| CliError::Write { what, source };
    let mut out = File::create_new(file).map_err(fail)?;
    out.write_all(content).and_then(|()| out.sync_all()).map_err(fail)
}

/// The new content or the old one, whatever happens.
pub(crate) fn replace(file: &Path, content: &[u8], what: &'static str) -> Result<(), CliError> {
    let fail = |source| CliError::Write { what, source };
    let draft = file.with_extension("new");
    let mut out = BufWriter::new(File::create(&draft).map_err(fail)?);
    out.write_all(content).and_then(|()| out.flush()).map_err(fail)?;
    out.get_ref().sync_all().map_err(fail)?;
    fs::rename(&draft, file).map_err(fail)
}
