//! `barefoot credential`: who the doctor at this device is, as an authority says.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column, printable};
use crate::signing::{keys, read, write_new};
use barefoot_app::clinic::KeyVault;
use barefoot_app::trust::{
    Claims, Credential, PublicKey, REVOCATIONS_LIMIT, Revocations, Role, TOKEN_LIMIT, TrustError, TrustStore,
};
use barefoot_app::{AppError, device_keys};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// How the doctor at this device stands, and this device's public keys
    Show,
    /// Issue a credential to a doctor for one device
    Issue {
        /// The doctor's name, as the doctor signs in
        #[arg(long)]
        name: String,
        /// The doctor's licence
        #[arg(long, default_value = "")]
        licence: String,
        /// The device's key, as `barefoot credential show` prints it there
        #[arg(long, value_name = "DEVICE_KEY")]
        device: PublicKey,
        /// How long it counts
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3660))]
        days: u32,
        /// File of the authority's signing key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The new credential's file; must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check a credential against the root, the list of revocations and the time
    Verify {
        /// The credential's file
        file: PathBuf,
        /// The device on which it would have to count [default: the one it was issued for]
        #[arg(long, value_name = "DEVICE_KEY")]
        device: Option<PublicKey>,
    },
    /// Take a credential for this device, or a list of revocations
    Install {
        /// The file
        file: PathBuf,
    },
    /// Revoke credentials: adds them to the list, or begins it
    Revoke {
        /// Their ids (`jti`)
        #[arg(required = true)]
        ids: Vec<String>,
        /// The list of revocations; the new one replaces it
        #[arg(long, value_name = "FILE")]
        list: PathBuf,
        /// File of the authority's signing key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

impl CredentialCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        match self {
            Self::Show => show(home, output),
            Self::Issue { name, licence, device, days, key, out } => {
                let key = signing_key(&key)?;
                let claims = Claims::new(&name, &licence, device, Timestamp::now(), days)?;
                write_new(&out, claims.issue(&key)?.as_bytes(), "credential")?;
                output.show(&json!({ "jti": claims.jti, "exp": claims.exp }), |language| {
                    format!("{}{}\n", column(language.pick("凭证编号", "Credential"), 12), claims.jti)
                });
                Ok(())
            }
            Self::Verify { file, device } => verify(&file, device, home, output),
            Self::Install { file } => install(&file, home, output),
            Self::Revoke { ids, list, key } => revoke(&ids, &list, &key, output),
        }
    }
}

fn show(home: &Home, output: Output) -> Result<(), CliError> {
    let verification = home.verification(Some(&mut home.clinic()?))?;
    let keys = device_keys(&home.vault()?)?.ok_or(TrustError::Key)?;
    let store = TrustStore::open(&home.folder()?)?;
    let (root, revoked) = (store.root().map(|root| root.version), store.revocations().version);
    let shown = json!({
        "device": keys.device(), "sealing": keys.sealing(), "verification": verification, "root": root, "revocations": revoked
    });
    output.show(&shown, |language| {
        let line = |zh: &'static str, en: &'static str, text: &str| {
            format!("{}{}\n", column(language.pick(zh, en), 16), printable(text))
        };
        line("医生", "Doctor", verification.doctor.as_deref().unwrap_or("-"))
            + &line("状态", "Standing", language.pick(&verification.zh, &verification.en))
            + &line("设备密钥", "Device key", &keys.device().to_string())
            + &line("封装密钥", "Sealing key", &keys.sealing())
    });
    Ok(())
}

fn verify(file: &Path, device: Option<PublicKey>, home: &Home, output: Output) -> Result<(), CliError> {
    let token = token(&read(file, "credential")?)?;
    let store = TrustStore::open(&home.folder()?)?;
    let root = store.root().ok_or(TrustError::NoRoot)?;
    let credential = Credential::open(&token, &root.credentials)?;
    let device = device.unwrap_or(credential.claims.device);
    credential.counts(Some(&device), store.revocations(), store.time(Timestamp::now()))?;
    output.show(&credential, |language| {
        let Claims { sub, licence, exp, jti, .. } = &credential.claims;
        let until = language.pick("有效至", "valid until");
        format!("{}  {}  {until} {exp}  {jti}", printable(sub), printable(licence))
    });
    Ok(())
}

fn install(file: &Path, home: &Home, output: Output) -> Result<(), CliError> {
    let bytes = read(file, "credential")?;
    let mut store = TrustStore::open(&home.folder()?)?;
    // A list is JSON, a token never is.
    if bytes.first() == Some(&b'{') {
        let list = store.install_revocations(&bytes)?;
        output.show(&json!({ "revocations": list.version, "credentials": list.credentials.len() }), |language| {
            format!("{} {}", language.pick("吊销名单版本", "revocations, version"), list.version)
        });
        return Ok(());
    }
    let vault = home.vault()?;
    // The device has keys from the first opening of its records on.
    if vault.load()?.is_none() {
        drop(home.clinic()?);
    }
    let keys = device_keys(&vault)?.ok_or(TrustError::Key)?;
    let claims = store.install_credential(&token(&bytes)?, &keys.device(), Timestamp::now())?;
    output.show(&claims, |language| {
        format!("{}  {} {}", printable(&claims.sub), language.pick("有效至", "valid until"), claims.exp)
    });
    Ok(())
}

fn revoke(ids: &[String], file: &Path, key: &Path, output: Output) -> Result<(), CliError> {
    let key = signing_key(key)?;
    let before = match fs::metadata(file) {
        // Only a list that this very authority has signed is gone on with.
        Ok(_) => {
            let bytes = read(file, "list")?;
            if bytes.len() as u64 > REVOCATIONS_LIMIT {
                return Err(TrustError::TooLarge.into());
            }
            Revocations::open(&bytes, &Role { keys: BTreeSet::from([key.public()]), threshold: 1 })?
        }
        Err(_) => Revocations::default(),
    };
    let (list, text) = before.add(ids, &key, Timestamp::now())?;
    crate::signing::replace(file, text.as_bytes(), "list")?;
    output.show(&json!({ "version": list.version, "credentials": list.credentials }), |language| {
        format!(
            "{} {}: {}",
            language.pick("吊销名单版本", "revocations, version"),
            list.version,
            list.credentials.len()
        )
    });
    Ok(())
}

fn signing_key(file: &Path) -> Result<barefoot_app::trust::SigningKey, CliError> {
    keys(&[file.to_owned()])?.pop().ok_or_else(|| CliError::from(AppError::from(TrustError::Key)))
}

fn token(bytes: &[u8]) -> Result<String, CliError> {
    if bytes.len() as u64 > TOKEN_LIMIT {
        return Err(TrustError::TooLarge.into());
    }
    Ok(std::str::from_utf8(bytes).map_err(|_| TrustError::Damaged)?.trim().to_owned())
}
