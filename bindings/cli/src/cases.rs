//! `barefoot cases`: the recorded encounters.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column, wrap};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Cases {
    /// Newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One encounter
    Show {
        /// Its id
        id: String,
    },
    /// Read everything back and compare
    Verify,
}

impl Cases {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let clinic = home.clinic()?;
        match self {
            Self::List { limit } => {
                let encounters = clinic.encounters(limit)?;
                output.show(&encounters, |language| {
                    if encounters.is_empty() {
                        return language.pick("还没有记录", "no encounters yet").to_owned();
                    }
                    let line = |e: &barefoot_app::clinic::EncounterSummary| {
                        let age = e.age_years.map_or_else(String::new, |a| format!("{a}"));
                        let photos = format!("{} {}", e.photos, language.pick("张照片", "photo(s)"));
                        format!("{}  {}  {}{}{}\n", e.id, &e.started_at[..16], column(&age, 6), column(e.sex.as_deref().unwrap_or(""), 8), photos)
                    };
                    encounters.iter().map(line).collect()
                });
            }
            Self::Show { id } => {
                let encounter = clinic.encounter(&id)?;
                output.show(&encounter, |language| {
                    let mut text = format!("{}  {}\n", encounter.summary.id, encounter.summary.started_at);
                    text += &wrap(&encounter.findings, "", 88);
                    for assessment in &encounter.assessments {
                        let names = assessment["differential"].as_array().into_iter().flatten().take(3);
                        let key = language.pick("zh", "en");
                        let ranked: Vec<String> =
                            names.map(|d| format!("{} {:.0} %", d[key].as_str().unwrap_or(""), d["p"].as_f64().unwrap_or(0.0) * 100.0)).collect();
                        text += &format!("{}{}\n", column(language.pick("辅助意见", "The aid said"), 14), ranked.join(", "));
                    }
                    text
                });
            }
            Self::Verify => {
                let found = clinic.verify()?;
                output.show(&found, |language| {
                    let summary = language.pick("就诊 / 照片 / 损坏", "encounters / photos / damaged");
                    format!("{summary}: {} / {} / {}\n", found.encounters, found.photos, found.damaged_photos.len())
                });
                if !found.ok() {
                    return Err(CliError::Damaged(found.damaged_photos.len().max(1)));
                }
            }
        }
        Ok(())
    }
}
