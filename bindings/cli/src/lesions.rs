//! `barefoot lesion`: places on a patient's skin that are watched over time.

use crate::cases::added;
use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column, printable};
use barefoot_app::clinic::{Lesion, Photo};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum LesionCommand {
    /// Add a lesion to a patient
    Add {
        /// The patient
        patient: String,
        /// Body site in words
        site: String,
        /// What tells it from its neighbours
        #[arg(default_value = "")]
        label: String,
    },
    /// A patient's lesions, oldest first
    List {
        /// The patient
        patient: String,
    },
    /// Put a photo of the same patient on a lesion's time line
    Place {
        /// The photo; `barefoot cases show` names them
        photo: String,
        /// The lesion
        lesion: String,
    },
    /// A lesion's photos, oldest first
    Timeline {
        /// The lesion
        lesion: String,
    },
}

impl LesionCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let mut clinic = home.clinic()?;
        match self {
            Self::Add { patient, site, label } => added(&clinic.add_lesion(&patient, &site, &label)?, output),
            Self::List { patient } => {
                clinic.patient(&patient)?;
                let lesions = clinic.lesions(&patient)?;
                output.show(&lesions, |language| {
                    let line = |lesion: &Lesion| {
                        format!("{}  {}{}\n", lesion.id, column(&printable(&lesion.site), 16), printable(&lesion.label))
                    };
                    if lesions.is_empty() {
                        return language.pick("没有记录皮损", "no lesions").to_owned();
                    }
                    lesions.iter().map(line).collect()
                });
            }
            Self::Place { photo, lesion } => {
                clinic.place_photo(&photo, &lesion)?;
                added(&photo, output);
            }
            Self::Timeline { lesion } => {
                let photos = clinic.time_line(&lesion)?;
                output.show(&photos, |language| {
                    let line = |photo: &Photo| {
                        let day = photo.taken_at.get(..10).unwrap_or(&photo.taken_at);
                        format!("{day}  {}  {}\n", photo.id, photo.encounter_id)
                    };
                    if photos.is_empty() {
                        return language.pick("还没有照片", "no photos yet").to_owned();
                    }
                    photos.iter().map(line).collect()
                });
            }
        }
        Ok(())
    }
}
