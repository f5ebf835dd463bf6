//! What Barefoot knows of medicine: diseases, articles, findings, red flags, and how to rank them.
//!
//! Lives here: the content files (`content/`), the checker and the compiler that turn them into the read-only encyclopedia,
//! search, the differential, triage. May not live here: user data, photos, networks.
//!
//! A change of medicine is a change of a text file in `content/`: a disease's names and article in `content/articles/SLUG.toml`,
//! what is expected of it in `content/likelihoods/SLUG.toml`, a word for a finding in `content/findings/`, its drawing in
//! `content/drawings/FINDING.svg`.

mod article;
mod check;
mod compile;
mod differential;
mod drawings;
mod encyclopedia;
mod error;
mod extract;
mod fold;
mod helpers;
mod html;
mod likelihood;
mod reasoning;
mod search;
mod urgency;
mod vocabulary;

pub use article::{Article, Bilingual, Codes, LookAlike, Names, Section, Source, Triage};
pub use check::{Complaint, check};
pub use compile::{Content, compile};
pub use differential::{Belief, Patient, Question, Ranked, Reason};
pub use drawings::Figure;
pub use encyclopedia::{Encyclopedia, Lookalike};
pub use error::KnowledgeError;
pub use extract::{Extraction, FoundFinding, Sex};
pub use helpers::{DrugReaction, DrugReactions, LupusCriteria, LupusDomain, LupusItem, LupusScore};
pub use likelihood::{Frequency, Likelihoods};
pub use reasoning::{Differential, PatientTriage, TriageLevel};
pub use search::{Hit, HitKind};
pub use urgency::{Advice, Frailty, RedFlag, Urgency, UrgencyRules};
pub use vocabulary::{Finding, Vocabulary};
