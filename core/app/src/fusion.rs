//! How the photo speaks in the differential: as a likelihood per disease, so that findings and photo can each outweigh the other.

use barefoot_vision::Label;
use std::collections::BTreeMap;

/// Least probability that a photo is taken to give a label: no photo rules a disease out.
const FLOOR: f32 = 0.01;
/// How much likelier a photo that the model takes for one of its own comes from one of its labels than from any other disease.
const IN_SCOPE_RATIO: f32 = 100.0;

/// Log-likelihood of a photo per disease, relative to a disease that the model does not know. `probabilities` are calibrated over
/// equally frequent labels, so they are proportional to the likelihoods. Empty when the photo says nothing.
pub(crate) fn photo_likelihood(labels: &[Label], probabilities: &[f32], in_scope: bool) -> BTreeMap<String, f32> {
    if !in_scope {
        return BTreeMap::new();
    }
    let share = labels.len() as f32 * IN_SCOPE_RATIO;
    let mut by_slug: BTreeMap<String, f32> = BTreeMap::new();
    for (label, p) in labels.iter().zip(probabilities) {
        *by_slug.entry(label.slug.clone()).or_default() += p;
    }
    by_slug.into_iter().map(|(slug, p)| (slug, (share * p.max(FLOOR)).ln())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(slug: &str) -> Label {
        serde_json::from_value(serde_json::json!({ "label": slug, "slug": slug })).expect("label")
    }

    #[test]
    fn a_photo_out_of_scope_says_nothing_and_one_in_scope_keeps_the_order() {
        let labels = [label("bcc"), label("naevus")];
        assert!(photo_likelihood(&labels, &[0.9, 0.1], false).is_empty());
        let said = photo_likelihood(&labels, &[0.9, 0.1], true);
        assert!(said["bcc"] > said["naevus"] && said["naevus"] > 0.0);
    }
}
