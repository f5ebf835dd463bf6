//! The `barefoot` command: every part of the core from a terminal.
//!
//! Lives here: arguments, files, printing, evaluation. May not live here: medicine, inference, storage.

mod bench;
mod cases;
mod diagnose;
mod error;
mod evaluate;
mod extend;
mod home;
mod knowledge;
mod language;
mod lesions;
mod output;
mod packs;
mod records;
mod sync;

use clap::{Args, Parser, Subcommand};
use error::CliError;
use language::Language;
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;

/// Offline help with skin diseases: photo and findings in, a ranked differential with reasons out. The doctor decides.
#[derive(Debug, Parser)]
#[command(name = "barefoot", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Shared {
    /// Print one JSON document and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// Language of all texts [default: from the locale]
    #[arg(long, global = true, value_enum)]
    lang: Option<Language>,
    /// The data folder [default: ~/.local/share/barefoot]
    #[arg(long, global = true, env = "BAREFOOT_HOME", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Who signs in, by name or id; the PIN comes from BAREFOOT_PIN or one line of standard input
    #[arg(long, global = true, env = "BAREFOOT_DOCTOR", value_name = "NAME")]
    doctor: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Assess photos and findings, and record the encounter
    Diagnose(diagnose::Diagnose),
    /// Rank diseases by findings in words
    Differential(knowledge::Differential),
    /// Tell a patient where to go and by when; never a diagnosis
    Triage(knowledge::Triage),
    /// Find diseases by name, pinyin, initials, code, finding or drug
    Search(knowledge::Search),
    /// Show an article
    Show(knowledge::Show),
    /// What the aid believes, the lupus score, drug timing, and the encyclopedia as web pages
    #[command(subcommand)]
    Knowledge(knowledge::Knowledge),
    /// Measure the aid on cases with known answers
    #[command(subcommand)]
    Evaluate(evaluate::Evaluate),
    /// The recorded encounters
    #[command(subcommand)]
    Cases(cases::Cases),
    /// The patients
    #[command(subcommand)]
    Patient(records::PatientCommand),
    /// Places on a patient's skin that are watched over time
    #[command(subcommand)]
    Lesion(lesions::LesionCommand),
    /// What patients allow
    #[command(subcommand)]
    Consent(records::ConsentCommand),
    /// Who may open the records
    #[command(subcommand)]
    Doctor(records::DoctorCommand),
    /// Make a recovery phrase, in place of an earlier one
    Phrase(records::PhraseCommand),
    /// Write everything into one encrypted file
    Backup(records::Backup),
    /// Bring a backup back, into an empty data folder
    Restore(records::Restore),
    /// Remove originals of photos that the server has; thumbnails stay
    Purge(records::Purge),
    /// Send cases to the server and fetch answers
    Sync(sync::Sync),
    /// Model packs
    #[command(subcommand)]
    Pack(packs::PackCommand),
    /// Time the parts of the work on this machine
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.shared.lang.unwrap_or_else(Language::from_locale);
    let output = Output { json: cli.shared.json, language };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<(), CliError> {
    let home = home::Home::new(cli.shared.data, cli.shared.doctor, output);
    match cli.command {
        Command::Diagnose(args) => args.run(&home, output),
        Command::Differential(args) => args.run(output),
        Command::Triage(args) => args.run(output),
        Command::Search(args) => args.run(output),
        Command::Show(args) => args.run(output),
        Command::Knowledge(command) => command.run(output),
        Command::Evaluate(command) => command.run(&home, output),
        Command::Cases(command) => command.run(&home, output),
        Command::Patient(command) => command.run(&home, output),
        Command::Lesion(command) => command.run(&home, output),
        Command::Consent(command) => command.run(&home, output),
        Command::Doctor(command) => command.run(&home, output),
        Command::Phrase(args) => args.run(&home, output),
        Command::Backup(args) => args.run(&home, output),
        Command::Restore(args) => args.run(&home, output),
        Command::Purge(args) => args.run(&home, output),
        Command::Sync(args) => args.run(&home, output),
        Command::Pack(command) => command.run(&home, output),
        Command::Bench(args) => args.run(&home, output),
    }
}
