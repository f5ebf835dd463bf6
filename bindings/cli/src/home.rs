//! The data folder and its key.

use crate::error::CliError;
use barefoot_app::Verification;
use barefoot_app::clinic::{self, Clinic, ClinicError, FileVault, Kind, Unlock};
use std::env;
use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct Home {
    data: Option<PathBuf>,
}

impl Home {
    pub(crate) fn new(data: Option<PathBuf>) -> Self {
        Self { data }
    }

    /// `--data`, `BAREFOOT_HOME`, or the XDG data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, CliError> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => xdg("XDG_DATA_HOME", ".local/share"),
        }
    }

    /// Opens the store, by the way in that the environment names: `BAREFOOT_PHRASE`, or `BAREFOOT_DOCTOR` (id or name) with
    /// `BAREFOOT_PIN`, or else the device's key alone.
    pub(crate) fn clinic(&self) -> Result<Clinic, CliError> {
        let folder = self.folder()?;
        let vault = self.vault()?;
        let phrase = env::var("BAREFOOT_PHRASE").ok();
        let pin = env::var("BAREFOOT_PIN").ok();
        let named = env::var("BAREFOOT_DOCTOR").ok();
        if named.is_some() && pin.is_none() && phrase.is_none() {
            return Err(CliError::PinMissing);
        }
        let doctor = match (&phrase, named, &pin) {
            (None, Some(doctor), Some(_)) => {
                let found =
                    clinic::sign_in(&folder, &vault)?.doctors.into_iter().find(|d| d.id == doctor || d.name == doctor);
                Some(found.ok_or(ClinicError::NotFound(Kind::Doctor))?.id)
            }
            _ => None,
        };
        let how = match (&phrase, &doctor, &pin) {
            (Some(phrase), _, _) => Unlock::Recovery { phrase },
            (None, Some(doctor), Some(pin)) => Unlock::Pin { doctor, pin },
            _ => Unlock::Device,
        };
        Ok(Clinic::open(&folder, &vault, how)?)
    }

    /// How the doctor at this device stands. `clinic` is the store where it is open; who it was opened for is known, and proved by a PIN.
    pub(crate) fn verification(&self, clinic: Option<&Clinic>) -> Result<Verification, CliError> {
        let (folder, vault) = (self.folder()?, self.vault()?);
        let doctor = match clinic {
            Some(clinic) => self.doctor(clinic)?,
            None if clinic::sign_in(&folder, &vault).is_ok_and(|door| door.pin_needed) => match self.clinic() {
                Ok(clinic) => self.doctor(&clinic)?,
                // Nobody has shown a PIN: no credential counts for a doctor without a name.
                Err(_) => Some(String::new()),
            },
            None => None,
        };
        Ok(Verification::of(&folder, &vault, doctor.as_deref()))
    }

    /// The name of who has signed in; `None` where the device alone or the phrase opened the store.
    pub(crate) fn doctor(&self, clinic: &Clinic) -> Result<Option<String>, CliError> {
        let signed_in = |id: &str| clinic.author() == Some(id);
        Ok(clinic.doctors()?.into_iter().find(|doctor| signed_in(&doctor.id)).map(|doctor| doctor.name))
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

fn xdg(variable: &str, fallback: &str) -> Result<PathBuf, CliError> {
    let base = env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(fallback)));
    Ok(base.ok_or(CliError::NoHome)?.join("barefoot"))
}
