//! The encyclopedia's names and WHO codes, as the clinic's exports ask for them.

use barefoot_clinic::DiseaseCode;
use barefoot_knowledge::Encyclopedia;

/// Names and codes of a disease; `None` where the encyclopedia has no such article. Reads the encyclopedia.
#[must_use]
pub fn disease_code(encyclopedia: &Encyclopedia, slug: &str) -> Option<DiseaseCode> {
    let article = encyclopedia.article(slug).ok()?;
    Some(DiseaseCode {
        zh: article.names.zh,
        en: article.names.en,
        icd10: article.codes.icd10,
        icd11: article.codes.icd11,
    })
}
