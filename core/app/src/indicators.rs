//! What is known beside the photo, in the names of the model pack (models/PACK_FORMAT.md, "Findings").

use barefoot_knowledge::{Extraction, Sex};
use barefoot_vision::age_indicator;

/// Findings of the vocabulary that answer one of the pack's yes/no questions.
const QUESTIONS: [(&str, &[&str]); 6] = [
    ("itch", &["itch", "itch-intense", "itch-at-night"]),
    ("grew", &["course-growing", "course-rapid-growth"]),
    ("hurt", &["pain", "severe-pain", "tender", "stinging"]),
    ("changed", &["changing-mole"]),
    ("bleed", &["lesion-bleeding"]),
    ("elevation", &["papule", "nodule", "plaque", "tumour-mass", "pigmented-papule", "warty", "hyperkeratotic-papule"]),
];

/// Sites of the vocabulary and the regions of PAD-UFES-20; the narrower ones first.
const REGIONS: [(&str, &str); 19] = [
    ("site-nose", "NOSE"),
    ("site-lip", "LIP"),
    ("site-ear", "EAR"),
    ("site-scalp", "SCALP"),
    ("site-face", "FACE"),
    ("site-cheeks-nose", "FACE"),
    ("site-eyelid", "FACE"),
    ("site-neck", "NECK"),
    ("site-nape", "NECK"),
    ("site-chest", "CHEST"),
    ("site-back", "BACK"),
    ("site-abdomen", "ABDOMEN"),
    ("site-hand", "HAND"),
    ("site-hand-back", "HAND"),
    ("site-forearm", "FOREARM"),
    ("site-arm", "ARM"),
    ("site-foot", "FOOT"),
    ("site-sole", "FOOT"),
    ("site-thigh", "THIGH"),
];

/// The pack's names of what the text and the fields say; names that a pack lacks do no harm.
pub(crate) fn indicators(extraction: &Extraction, age_years: Option<f32>, sex: Option<Sex>) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(age) = age_years.or(extraction.age_years) {
        out.push(age_indicator(age));
    }
    match sex.or(extraction.sex) {
        Some(Sex::Female) => out.push("gender=FEMALE".to_owned()),
        Some(Sex::Male) => out.push("gender=MALE".to_owned()),
        None => {}
    }
    // One of several findings is enough for yes: "no papule, a nodule" is raised all the same.
    let said = |ids: &[&str]| {
        let mut hits = extraction.findings.iter().filter(|f| ids.contains(&f.id.as_str())).map(|f| f.present);
        hits.next().map(|first| first || hits.any(|present| present))
    };
    for (question, ids) in QUESTIONS {
        if let Some(answer) = said(ids) {
            out.push(format!("{question}={answer}"));
        }
    }
    if said(&["course-stable"]) == Some(true) {
        out.extend(["grew=false".to_owned(), "changed=false".to_owned()]);
    }
    if let Some((_, region)) = REGIONS.iter().find(|(site, _)| said(&[site]) == Some(true)) {
        out.push(format!("region={region}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use barefoot_knowledge::FoundFinding;

    #[test]
    fn findings_become_the_packs_names() {
        let found = |id: &str, present| FoundFinding { id: id.into(), present, span: (0, 0), text: String::new() };
        let extraction = Extraction {
            findings: vec![found("itch", false), found("site-nose", true), found("lesion-bleeding", true)],
            ..Extraction::default()
        };
        let names = indicators(&extraction, Some(67.0), Some(Sex::Male));
        assert_eq!(names, ["age=60", "gender=MALE", "itch=false", "bleed=true", "region=NOSE"]);
    }
}
