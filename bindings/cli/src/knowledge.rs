//! `barefoot search | show | differential | triage | knowledge`: what needs no photo.

use crate::diagnose::{FindingsArgs, differential_text, findings_text, urgency_text};
use crate::error::CliError;
use crate::language::Language;
use crate::output::{Output, column, wrap};
use crate::packs;
use barefoot_app::AppError;
use barefoot_app::knowledge::{
    Article, DrugReaction, Encyclopedia, HitKind, KnowledgeError, Lookalike, Patient, Ranked,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Name, pinyin, initials, code, finding or drug
    query: String,
    /// How many hits
    #[arg(long, default_value_t = 10)]
    limit: usize,
}

impl Search {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        #[derive(Serialize)]
        struct Hits<T> {
            hits: T,
        }
        let hits = packs::encyclopedia()?.search(&self.query, self.limit)?;
        output.show(&Hits { hits: &hits }, |language| {
            if hits.is_empty() {
                return language.pick("没有找到，换个说法试试", "nothing found; try other words").to_owned();
            }
            let mut text = String::new();
            for hit in &hits {
                let (first, second) = language.pick((&hit.zh, &hit.en), (&hit.en, &hit.zh));
                let meant = match (&hit.did_you_mean, hit.kind) {
                    (Some(name), _) => format!("  {} {name}?", language.pick("您是不是找", "did you mean")),
                    (None, HitKind::Text) => format!("  ({})", language.pick("正文", "in the text")),
                    (None, _) => String::new(),
                };
                text += &format!("{:>3.0}  {}{first}  {second}{meant}\n", hit.score, column(&hit.slug, 18));
            }
            text
        });
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The disease's short name, as `barefoot search` prints it
    slug: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    article: &'a Article,
    differential: &'a [Lookalike],
}

impl Show {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let encyclopedia = packs::encyclopedia()?;
        let (article, look_alikes) = find_article(&encyclopedia, &self.slug)?;
        output.show(&Shown { article: &article, differential: &look_alikes }, |language| {
            article_text(&article, &look_alikes, language)
        });
        Ok(())
    }
}

/// By slug, or by a name that search is sure of.
fn find_article(encyclopedia: &Encyclopedia, name: &str) -> Result<(Article, Vec<Lookalike>), CliError> {
    const SURE: f32 = 90.0;
    let article = match encyclopedia.article(name) {
        Ok(article) => article,
        Err(error) => match encyclopedia.search(name, 1)?.first().filter(|hit| hit.score >= SURE) {
            Some(hit) => encyclopedia.article(&hit.slug)?,
            None => return Err(error.into()),
        },
    };
    let look_alikes = encyclopedia.look_alikes(&article.slug)?;
    Ok((article, look_alikes))
}

fn article_text(article: &Article, look_alikes: &[Lookalike], language: Language) -> String {
    const WIDTH: usize = 86;
    let n = &article.names;
    let heading = |text: &str| format!("\n{text}\n");
    let mut out = format!("{}  {}\n", language.pick(&n.zh, &n.en), language.pick(&n.en, &n.zh));
    let also = [language.pick(&n.lay_zh, &n.lay_en), language.pick(&n.former_zh, &n.former_en), &n.abbr]
        .into_iter()
        .flatten()
        .cloned();
    let also: Vec<String> = also.collect();
    if !also.is_empty() {
        out +=
            &wrap(&format!("{}{}", language.pick("又称：", "Also: "), also.join(language.pick("、", ", "))), "", WIDTH);
    }
    out += &format!("ICD-10 {}   ICD-11 {}   {:?}\n", article.codes.icd10, article.codes.icd11, article.triage);
    out += &format!("{}\n", reviewed(article, language));
    for section in article.sections() {
        out += &heading(language.pick(section.title_zh, section.title_en));
        out += &wrap(language.of(section.text), "  ", WIDTH);
        if section.key == "tests" && !look_alikes.is_empty() {
            out += &heading(language.pick("像什么，怎么分", "Looks like, and how to tell apart"));
            for other in look_alikes {
                out += &format!("  {} ({})\n", language.pick(&other.name_zh, &other.name_en), other.slug);
                out += &wrap(language.pick(&other.zh, &other.en), "    ", WIDTH - 2);
            }
        }
    }
    out += &heading(language.pick("来源", "Sources"));
    for source in &article.sources {
        out += &wrap(&format!("[{}] {} ({})", source.key, source.text, source.year), "  ", WIDTH);
    }
    out
}

fn reviewed(article: &Article, language: Language) -> String {
    if article.reviewed_by.is_empty() {
        language.pick("尚未经皮肤科医师审阅", "not yet reviewed by a dermatologist").to_owned()
    } else {
        format!("{}{}", language.pick("审阅：", "reviewed by "), article.reviewed_by)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Differential {
    #[command(flatten)]
    findings: FindingsArgs,
    /// How many diseases
    #[arg(long, default_value_t = 10)]
    limit: usize,
}

impl Differential {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let encyclopedia = packs::encyclopedia()?;
        let text = self.findings.request(Vec::new()).words();
        if text.trim_matches(['。', ' ']).is_empty() {
            return Err(AppError::Nothing.into());
        }
        let patient = Patient { age_years: self.findings.age, sex: self.findings.sex };
        let mut answer = encyclopedia.differential(&text, patient, &BTreeMap::new())?;
        answer.differential.truncate(self.limit);
        output.show(&answer, |language| {
            let mut text = findings_text(&answer.extraction.findings, &answer.extraction.not_understood, language);
            text += &differential_text(&answer.differential, self.limit, language);
            text += &urgency_text(&answer.urgency, language);
            let questions: Vec<&str> =
                answer.ask_next.iter().map(|q| language.pick(q.zh.as_str(), q.en.as_str())).collect();
            text += &format!(
                "{}{}\n",
                column(language.pick("接着问", "Ask next"), 12),
                questions.join(language.pick("、", ", "))
            );
            text
        });
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Triage {
    #[command(flatten)]
    findings: FindingsArgs,
}

impl Triage {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let words = self.findings.request(Vec::new()).words();
        if words.trim_matches(['。', ' ']).is_empty() {
            return Err(AppError::Nothing.into());
        }
        let patient = Patient { age_years: self.findings.age, sex: self.findings.sex };
        let answer = packs::encyclopedia()?.triage(&words, patient)?;
        output.show(&answer, |language| {
            let mut text =
                format!("{:?}  {}  {}\n", answer.level, language.of(&answer.place), language.of(&answer.when));
            for reason in &answer.reasons {
                text += &format!("  {}\n", language.of(reason));
            }
            if !answer.warn.is_empty() {
                text += language.pick("出现以下情况立即就医：\n", "Go at once if:\n");
            }
            for sign in &answer.warn {
                text += &format!("  - {}\n", language.of(sign));
            }
            text
        });
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Knowledge {
    /// What the aid believes of a disease: how often it is seen, and what is found in it
    Explain {
        /// The disease's short name
        slug: String,
    },
    /// The 2019 EULAR/ACR lupus score of findings in words, and what is still to ask
    LupusScore {
        /// Findings in words, laboratory values among them
        #[arg(long)]
        text: String,
    },
    /// Which drug reactions fit the days between the first dose and the rash
    DrugTiming {
        /// Days from the first dose to the rash; 0.5 is twelve hours
        #[arg(long)]
        days: f32,
    },
    /// Write the whole encyclopedia as web pages that need no network: open index.html
    Export {
        /// The folder, made where it is missing
        folder: PathBuf,
    },
}

impl Knowledge {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Explain { slug } => Self::explain(&slug, output),
            Self::LupusScore { text } => Self::lupus_score(&text, output),
            Self::DrugTiming { days } => Self::drug_timing(days, output),
            Self::Export { folder } => Self::export(&folder, output),
        }
    }

    fn lupus_score(text: &str, output: Output) -> Result<(), CliError> {
        let score = packs::encyclopedia()?.lupus_score(text)?;
        output.show(&score, |language| {
            let yes = |met: bool| language.pick(if met { "是" } else { "否" }, if met { "yes" } else { "no" });
            let mut text = format!(
                "{}: {}\n",
                language.pick("ANA ≥1:80（前提）", "ANA 1:80 or more (entry)"),
                yes(score.entry_met)
            );
            for item in &score.items {
                text += &format!("  {:>2}  {}\n", item.weight, language.pick(&item.zh, &item.en));
            }
            let verdict = language.pick("达到分类标准（10分）", "meets the criteria (10 points)");
            text += &format!(
                "  {:>2}  {}; {verdict}: {}\n",
                score.points,
                language.pick("合计", "in all"),
                yes(score.classifies)
            );
            let unknown: Vec<&str> =
                score.unknown.iter().map(|d| language.pick(d.zh.as_str(), d.en.as_str())).collect();
            text += &format!(
                "{}: {}\n",
                language.pick("还没有问到或查到", "not told yet"),
                unknown.join(language.pick("、", ", "))
            );
            text + language
                .pick("分类标准供研究用，诊断由医生作出。", "Classification is for studies; the doctor diagnoses.")
        });
        Ok(())
    }

    fn drug_timing(days: f32, output: Output) -> Result<(), CliError> {
        let encyclopedia = packs::encyclopedia()?;
        let reactions = encyclopedia.drug_reactions(days)?;
        output.show(&reactions, |language| {
            if reactions.is_empty() {
                return language.pick("没有常见药疹符合这个时间", "no usual drug eruption fits this time").to_owned();
            }
            let line = |r: &DrugReaction| {
                let name =
                    encyclopedia.names(&r.slug).map_or_else(|_| r.slug.clone(), |(zh, en)| language.pick(zh, en));
                let unit = language.pick("天", "days");
                format!("{name}  {}-{} {unit}  [{}]\n", r.from_days, r.to_days, r.source)
            };
            reactions.iter().map(line).collect()
        });
        Ok(())
    }

    fn export(folder: &Path, output: Output) -> Result<(), CliError> {
        #[derive(Serialize)]
        struct Exported {
            diseases: usize,
            index: PathBuf,
        }
        let diseases = packs::encyclopedia()?.export_html(folder).map_err(|error| match error {
            KnowledgeError::Write { source, .. } => CliError::Write { what: "export", source },
            other => other.into(),
        })?;
        let exported = Exported { diseases, index: folder.join("index.html") };
        output.show(&exported, |language| {
            let index = exported.index.display();
            language.pick(
                format!("已导出{diseases}种疾病，请用浏览器打开 {index}\n"),
                format!("{diseases} diseases written; open {index} in a browser\n"),
            )
        });
        Ok(())
    }

    fn explain(slug: &str, output: Output) -> Result<(), CliError> {
        #[derive(Serialize)]
        struct Line<'a> {
            finding: &'a str,
            zh: &'a str,
            en: &'a str,
            p: f32,
            elsewhere: f32,
        }
        #[derive(Serialize)]
        struct Explained<'a> {
            slug: &'a str,
            frequency: barefoot_app::knowledge::Frequency,
            female_share: f32,
            age: &'a BTreeMap<String, f32>,
            findings: Vec<Line<'a>>,
            sources: &'a [String],
        }
        let (file, beliefs) = packs::encyclopedia()?.beliefs(slug)?;
        let explained = Explained {
            slug: &file.slug,
            frequency: file.frequency,
            female_share: file.female_share,
            age: &file.age,
            findings: beliefs
                .iter()
                .map(|b| Line {
                    finding: &b.finding.id,
                    zh: &b.finding.zh,
                    en: &b.finding.en,
                    p: b.p,
                    elsewhere: b.elsewhere,
                })
                .collect(),
            sources: &file.sources,
        };
        output.show(&explained, |language| {
            let mut text = format!(
                "{}  {:?}  {} {:.0} %\n",
                explained.slug,
                explained.frequency,
                language.pick("女性", "women"),
                explained.female_share * 100.0
            );
            for (band, factor) in explained.age {
                text += &format!("  {}x {factor}\n", column(band, 10));
            }
            text += language.pick("  在此病中  在所有病中\n", "  here   in all diseases\n");
            for b in &explained.findings {
                text += &format!(
                    "  {:>4.0} %  {:>4.0} %  {}\n",
                    b.p * 100.0,
                    b.elsewhere * 100.0,
                    language.pick(b.zh, b.en)
                );
            }
            text
        });
        Ok(())
    }
}

/// Slugs of a ranked list, for evaluation.
pub(crate) fn slugs(ranked: &[Ranked]) -> impl Iterator<Item = &str> {
    ranked.iter().map(|r| r.slug.as_str())
}
