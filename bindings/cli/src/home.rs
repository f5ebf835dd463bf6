//! The data folder and its key.

use crate::error::CliError;
use crate::output::Output;
use barefoot_app::clinic::{self, Clinic, ClinicError, DoctorAtDoor, FileVault, Kind, Unlock};
use std::env;
use std::io::BufRead;
use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct Home {
    data: Option<PathBuf>,
    doctor: Option<String>,
    output: Output,
}

impl Home {
    pub(crate) fn new(data: Option<PathBuf>, doctor: Option<String>, output: Output) -> Self {
        Self { data, doctor, output }
    }

    /// `--data`, `BAREFOOT_HOME`, or the XDG data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, CliError> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => xdg("XDG_DATA_HOME", ".local/share"),
        }
    }

    /// Opens the store: by `BAREFOOT_PHRASE`, or `--doctor` (id or name) with a PIN, or else the device's key alone.
    pub(crate) fn clinic(&self) -> Result<Clinic, CliError> {
        let folder = self.folder()?;
        let vault = self.vault()?;
        let phrase = env::var("BAREFOOT_PHRASE").ok();
        let doctor = match (&phrase, &self.doctor) {
            (None, Some(named)) => {
                let mut found = self.at_the_door()?.into_iter().filter(|d| d.id == *named || d.name == *named);
                let doctor = found.next().ok_or(ClinicError::NotFound(Kind::Doctor))?;
                if found.next().is_some() {
                    return Err(CliError::TwoDoctors);
                }
                Some((doctor.id, secret("BAREFOOT_PIN", "PIN码：", "PIN:", self.output)?))
            }
            _ => None,
        };
        let how = match (&phrase, &doctor) {
            (Some(phrase), _) => Unlock::Recovery { phrase },
            (None, Some((doctor, pin))) => Unlock::Pin { doctor, pin },
            _ => Unlock::Device,
        };
        Ok(Clinic::open(&folder, &vault, how)?)
    }

    /// Who may sign in here; known before anybody has.
    pub(crate) fn at_the_door(&self) -> Result<Vec<DoctorAtDoor>, CliError> {
        Ok(clinic::sign_in(&self.folder()?, &self.vault()?)?.doctors)
    }

    /// Whether this call names a way in.
    pub(crate) fn signs_in(&self) -> bool {
        self.doctor.is_some() || env::var_os("BAREFOOT_PHRASE").is_some()
    }

    /// The device's own key. It lies outside the data folder, so that a copied folder alone tells nothing.
    pub(crate) fn vault(&self) -> Result<FileVault, CliError> {
        let file = match env::var_os("BAREFOOT_KEY_FILE") {
            Some(file) => PathBuf::from(file),
            None => xdg("XDG_CONFIG_HOME", ".config")?.join("key"),
        };
        Ok(FileVault::new(file))
    }
}

/// A PIN from the environment, or one line of standard input. Never an argument: arguments are seen by other programs.
pub(crate) fn secret(variable: &str, zh: &str, en: &str, output: Output) -> Result<String, CliError> {
    if let Ok(pin) = env::var(variable) {
        return Ok(pin);
    }
    output.note(zh, en);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|source| CliError::Read { what: "PIN", source })?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn xdg(variable: &str, fallback: &str) -> Result<PathBuf, CliError> {
    let base = env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(fallback)));
    Ok(base.ok_or(CliError::NoHome)?.join("barefoot"))
}
