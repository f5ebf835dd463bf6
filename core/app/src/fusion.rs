//! How the photo speaks in the differential: as a likelihood per disease, so that findings and photo can each outweigh the other.

use barefoot_knowledge::{Bilingual, Triage, Urgency};
use barefoot_vision::Label;
use std::collections::BTreeMap;

/// Least probability that a photo is taken to give a label: no photo rules a disease out.
const FLOOR: f32 = 0.01;
/// How much likelier a photo that the model takes for one of its own comes from one of its labels than from any other disease.
const IN_SCOPE_RATIO: f32 = 300.0;

/// Log-likelihood of the photos per disease, relative to a disease that the model does not know: the mean of their calibrated
/// probabilities, which are fitted over classes weighed nearly alike and so are proportional to the likelihoods. Empty without a photo.
pub(crate) fn photo_likelihood(labels: &[Label], photos: &[&[f32]]) -> BTreeMap<String, f32> {
    let share = labels.len() as f32 * IN_SCOPE_RATIO / photos.len().max(1) as f32;
    let mut by_slug: BTreeMap<String, f32> = BTreeMap::new();
    for (label, p) in photos.iter().flat_map(|probabilities| labels.iter().zip(*probabilities)) {
        *by_slug.entry(label.slug.clone()).or_default() += p;
    }
    by_slug.into_iter().map(|(slug, p)| (slug, (share * p.max(FLOOR)).ln())).collect()
}

/// Share of the photo's probability in diseases that need referral within 2 weeks from which the photo alone raises the urgency.
const RAISE_FROM: f32 = 0.25;

/// A photo that may show a cancer raises the urgency whatever the differential makes of it, and never lowers it. `classes` are the
/// photo's diseases with their probabilities, their own urgency and names.
pub(crate) fn raise_by_photo(mut urgency: Urgency, classes: &[(f32, Triage, Bilingual)]) -> Urgency {
    let feared = || classes.iter().filter(|(_, triage, _)| *triage >= Triage::U);
    if urgency.level >= Triage::U || feared().map(|(p, ..)| p).sum::<f32>() < RAISE_FROM {
        return urgency;
    }
    urgency.level = Triage::U;
    if let Some((.., name)) = feared().max_by(|a, b| a.0.total_cmp(&b.0)) {
        let reason =
            Bilingual { zh: format!("照片可能为{}", name.zh), en: format!("the photo may show {}", name.en) };
        urgency.reasons.insert(0, reason);
    }
    urgency
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(slug: &str) -> Label {
        serde_json::from_value(serde_json::json!({ "label": slug, "slug": slug })).expect("label")
    }

    #[test]
    fn no_photo_says_nothing_and_several_are_averaged() {
        let labels = [label("bcc"), label("naevus")];
        assert!(photo_likelihood(&labels, &[]).is_empty());
        let one = photo_likelihood(&labels, &[&[0.9, 0.1]]);
        assert!(one["bcc"] > one["naevus"] && one["naevus"] > 0.0);
        let two = photo_likelihood(&labels, &[&[0.9, 0.1], &[0.1, 0.9]]);
        assert!((two["bcc"] - two["naevus"]).abs() < 1e-6);
    }

    #[test]
    fn a_photo_that_may_show_a_cancer_raises_and_nothing_lowers() {
        let name = || Bilingual { zh: "甲".into(), en: "a".into() };
        let at = |level| Urgency { level, reasons: Vec::new() };
        let classes = |p| [(p, Triage::U, name()), (1.0 - p, Triage::P, name())];
        assert_eq!(raise_by_photo(at(Triage::P), &classes(0.3)).level, Triage::U);
        assert_eq!(raise_by_photo(at(Triage::P), &classes(0.1)).level, Triage::P);
        for level in [Triage::P, Triage::R, Triage::U, Triage::E] {
            for p in [0.0, 0.3, 1.0] {
                assert!(raise_by_photo(at(level), &classes(p)).level >= level);
            }
        }
    }
}
