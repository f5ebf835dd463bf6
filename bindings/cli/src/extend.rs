//! `barefoot pack extend`: a class more, from a hospital's own confirmed pictures.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column};
use crate::packs;
use barefoot_app::Extension;
use clap::Args;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// Model pack to start from, by name or folder
    #[arg(long, default_value = packs::DEFAULT, value_name = "NAME|DIR")]
    pack: String,
    /// Slug of the disease in the encyclopedia
    #[arg(long)]
    slug: String,
    /// Your name of the class, for indexes of `evaluate images`
    #[arg(long)]
    label: String,
    /// The disease is a cancer, for `evaluate images`
    #[arg(long)]
    malignant: bool,
    /// Folder with at least 10 confirmed pictures, best one for each patient
    #[arg(long, value_name = "DIR")]
    pictures: PathBuf,
    /// Folder for the new pack; must be absent or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    label: String,
    slug: String,
    /// Always true: the class is not trained.
    prototype: bool,
    pictures: usize,
    /// Of the pictures, each judged by the others.
    recognised: usize,
    /// Share of the pack's own training pictures that the class would take.
    taken: f32,
}

impl Extend {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let occupied = fs::read_dir(&self.out).is_ok_and(|mut entries| entries.next().is_some());
        if occupied || self.out.is_file() {
            return Err(CliError::Occupied);
        }
        let pack = packs::find(&self.pack, home)?;
        let mut extension = Extension::new(&pack, &packs::encyclopedia()?, &self.slug, &self.label, self.malignant)?;
        let files = pictures(&self.pictures)?;
        let bar = output.progress(files.len() as u64);
        for (at, file) in files.iter().enumerate() {
            let bytes = fs::read(file).map_err(|source| CliError::Read { what: "photo", source })?;
            extension.add(&bytes).map_err(|error| CliError::Picture { at: at + 1, of: files.len(), error })?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let extended = extension.finish()?;
        let fail = |source| CliError::Write { what: "pack", source };
        fs::create_dir_all(&self.out).map_err(fail)?;
        for (name, content) in &extended.files {
            fs::write(self.out.join(name), content).map_err(fail)?;
        }
        let answer = Answer {
            id: extended.id,
            label: self.label,
            slug: self.slug,
            prototype: true,
            pictures: extended.trial.pictures,
            recognised: extended.trial.recognised,
            taken: extended.trial.taken,
        };
        output.show(&answer, |language| {
            let line = |zh: &'static str, en: &'static str, text: String| {
                format!("{}{text}\n", column(language.pick(zh, en), 24))
            };
            let own = format!("{} / {}", answer.recognised, answer.pictures);
            line("新模型包", "New pack", answer.id.clone())
                + &line("原型类（未经训练）", "Prototype, not trained", format!("{} -> {}", answer.label, answer.slug))
                + &line("留一法认出", "Known by the others", own)
                + &line("误收原有照片", "Taken from others", format!("{:.1} %", 100.0 * answer.taken))
                + language.pick(
                    "同一医院的照片彼此相似，以上数字偏乐观；请用 barefoot evaluate images 在别的照片上检验。\n",
                    "Pictures of one hospital resemble each other, so these figures flatter: measure on other pictures with `barefoot evaluate images`.\n",
                )
        });
        Ok(())
    }
}

/// The files of a folder in the order of their names, hidden ones left out.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let fail = |source| CliError::Read { what: "folder of pictures", source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
