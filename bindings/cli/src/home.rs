//! The data folder and its key.

use crate::error::CliError;
use crate::output::Output;
use barefoot_app::clinic::{
    self, Clinic, ClinicError, DoctorAtDoor, FORGOTTEN_BOTH, FileVault, KeyVault, Kind, Unlock,
};
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

    /// Opens the store. Where that sets the records up, says what a lost key would mean.
    pub(crate) fn clinic(&self) -> Result<Clinic, CliError> {
        let (clinic, set_up) = self.open()?;
        if set_up {
            self.output.note(
                "已建立新的病历数据夹，目前只有本机密钥能打开它。请运行 barefoot phrase 生成恢复短语。",
                "New records were set up here, and only this device's key opens them. Run `barefoot phrase` for a recovery phrase.",
            );
            self.output.note(FORGOTTEN_BOTH.0, FORGOTTEN_BOTH.1);
        }
        Ok(clinic)
    }

    /// Opens the store: by `BAREFOOT_PHRASE`, or `--doctor` (id or name) with a PIN, or else the device's key alone. True when that set
    /// the records up: who calls this then says [`FORGOTTEN_BOTH`].
    pub(crate) fn open(&self) -> Result<(Clinic, bool), CliError> {
        let folder = self.folder()?;
        let vault = self.vault()?;
        let door = clinic::sign_in(&folder, &vault)?;
        let phrase = env::var("BAREFOOT_PHRASE").ok();
        let doctor = match (&phrase, &self.doctor) {
            (None, Some(named)) => {
                let doctor = self.named(named, door.doctors)?;
                Some((doctor, secret("BAREFOOT_PIN", "PIN码：", "PIN:", self.output)?))
            }
            _ => None,
        };
        let how = match (&phrase, &doctor) {
            (Some(phrase), _) => Unlock::Recovery { phrase },
            (None, Some((doctor, pin))) => Unlock::Pin { doctor, pin },
            _ => Unlock::Device,
        };
        Ok((Clinic::open(&folder, &vault, how)?, !door.set_up))
    }

    /// Who may sign in here; known before anybody has.
    pub(crate) fn at_the_door(&self) -> Result<Vec<DoctorAtDoor>, CliError> {
        Ok(clinic::sign_in(&self.folder()?, &self.vault()?)?.doctors)
    }

    /// The doctor with this name or id.
    fn named(&self, named: &str, doctors: Vec<DoctorAtDoor>) -> Result<String, CliError> {
        // Their names are sealed under the device's key.
        let nameless = doctors.iter().any(|doctor| doctor.name.is_empty());
        let mut found = doctors.into_iter().filter(|doctor| doctor.id == named || doctor.name == named);
        let Some(doctor) = found.next() else {
            return Err(match (nameless, self.vault()?.load()?) {
                (true, None) => ClinicError::KeyMissing,
                (true, Some(_)) => ClinicError::WrongKey,
                (false, _) => ClinicError::NotFound(Kind::Doctor),
            }
            .into());
        };
        if found.next().is_some() {
            return Err(CliError::TwoDoctors);
        }
        Ok(doctor.id)
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
