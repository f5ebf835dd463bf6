//! `barefoot evaluate`: the aid measured on cases with known answers.

mod figures;
mod images;
mod report;
mod text;

use crate::error::CliError;
use crate::home::Home;
use crate::output::Output;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Evaluate {
    /// An image model, on labelled photos
    Images(images::Images),
    /// The differential, on vignettes
    Vignettes(text::Vignettes),
    /// Patients' triage, on complaints
    Triage(text::TriageCases),
    /// Search, on queries
    Search(text::Queries),
}

impl Evaluate {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        match self {
            Self::Images(args) => args.run(home, output),
            Self::Vignettes(args) => args.run(output),
            Self::Triage(args) => args.run(output),
            Self::Search(args) => args.run(output),
        }
    }
}
