//! How the photo speaks in the differential: as a likelihood per disease, so that findings and photo can each outweigh the other.

use barefoot_vision::Label;
use std::collections::BTreeMap;

/// Least probability that a photo is taken to give a label: no photo rules a disease out.
const FLOOR: f32 = 0.01;
/// How much likelier a photo that the model takes for one of its own comes from one of its labels than from any other disease.
const IN_SCOPE_RATIO: f32 = 100.0;

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
}
