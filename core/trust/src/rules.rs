//! What a doctor's standing allows: one table, which docs/credentials.md prints and the tests walk.

use crate::TrustError;
use jiff::Timestamp;
use serde::Serialize;

/// Days that an expired credential, or a device that waits for its first one, still gets assessments. Chosen by us: the design counts on
/// weeks without network, and a credential may have to come by hand.
pub const GRACE_DAYS: i64 = 30;

/// How a doctor stands on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No root is accepted, so nobody could issue a credential: development, evaluation, teaching.
    NoAuthority,
    /// A credential counts.
    Verified,
    /// The credential expired within the grace period.
    ExpiredInGrace,
    /// The credential expired longer ago.
    Expired,
    /// No credential counts, and the root was accepted within the grace period.
    UnverifiedInGrace,
    /// No credential counts.
    Unverified,
    /// The credential was taken back.
    Revoked,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Read the encyclopedia, search, rank findings in words.
    Learn,
    /// Record a case: photos, findings, photo quality.
    Capture,
    /// See how urgent a case is, with its red flags.
    Urgency,
    /// Get the aid's assessment of a case: what the photo shows, ranked diseases, card.
    Assess,
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// Yes.
    Allowed,
    /// Yes, and it says "unverified".
    Labelled,
    /// No, and it says what to do.
    Locked,
}

use Ruling::{Allowed, Labelled, Locked};

impl Standing {
    /// All of them, in the order of [`RULES`].
    pub const ALL: [Self; 7] = [
        Self::NoAuthority,
        Self::Verified,
        Self::ExpiredInGrace,
        Self::Expired,
        Self::UnverifiedInGrace,
        Self::Unverified,
        Self::Revoked,
    ];
}

impl Standing {
    /// The name of its row.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoAuthority => "no_authority",
            Self::Verified => "verified",
            Self::ExpiredInGrace => "expired_in_grace",
            Self::Expired => "expired",
            Self::UnverifiedInGrace => "unverified_in_grace",
            Self::Unverified => "unverified",
            Self::Revoked => "revoked",
        }
    }
}

impl Act {
    /// All of them, in the order of the columns of [`RULES`].
    pub const ALL: [Self; 4] = [Self::Learn, Self::Capture, Self::Urgency, Self::Assess];
}

/// Rows are [`Standing::ALL`], columns [`Act::ALL`].
pub const RULES: [[Ruling; 4]; 7] = [
    //                       learn    capture  urgency  assess
    /* no_authority */
    [Allowed, Allowed, Allowed, Labelled],
    /* verified */ [Allowed, Allowed, Allowed, Allowed],
    /* expired_in_grace */ [Allowed, Allowed, Allowed, Labelled],
    /* expired */ [Allowed, Allowed, Allowed, Locked],
    /* unverified_in_grace */ [Allowed, Allowed, Allowed, Labelled],
    /* unverified */ [Allowed, Allowed, Allowed, Locked],
    /* revoked */ [Allowed, Allowed, Allowed, Locked],
];

/// What the table says.
#[must_use]
pub fn rule(standing: Standing, act: Act) -> Ruling {
    RULES[standing as usize][act as usize]
}

/// How a doctor stands, until when, and why not better.
#[derive(Debug)]
pub struct Verdict {
    /// The row of the table.
    pub standing: Standing,
    /// The doctor, where a credential's signature holds.
    pub doctor: Option<String>,
    /// When the standing ends by itself.
    pub until: Option<Timestamp>,
    /// Why no credential counts.
    pub reason: Option<TrustError>,
}

impl Verdict {
    /// A standing without any credential.
    #[must_use]
    pub fn without(standing: Standing, reason: Option<TrustError>) -> Self {
        Self { standing, doctor: None, until: None, reason }
    }

    /// What the table says for this standing.
    #[must_use]
    pub fn rule(&self, act: Act) -> Ruling {
        rule(self.standing, act)
    }

    /// One line for people: Chinese, English.
    #[must_use]
    pub fn text(&self) -> (String, String) {
        let day = self.until.map_or_else(String::new, |until| until.to_string().chars().take(10).collect());
        let pick = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        match self.standing {
            Standing::NoAuthority => pick(
                "未验证：本机没有设置发证机构（评估、教学用）",
                "unverified: no authority is set up here (evaluation, teaching)",
            ),
            Standing::Verified => (format!("已验证，有效至{day}"), format!("verified until {day}")),
            Standing::ExpiredInGrace => (
                format!("未验证：凭证已过期，辅助意见可用至{day}，请更新凭证"),
                format!("unverified: the credential has expired; assessments until {day}, renew it"),
            ),
            Standing::UnverifiedInGrace => (
                format!("未验证：辅助意见可用至{day}，请申请凭证"),
                format!("unverified: assessments until {day}, ask for a credential"),
            ),
            Standing::Expired => pick(
                "未验证：凭证已过期，只能记录和学习；请更新凭证，并检查本机日期",
                "unverified: the credential has expired, cases are recorded without assessment; renew it, and check this device's date",
            ),
            Standing::Unverified => pick(
                "未验证：只能记录和学习；请申请凭证",
                "unverified: cases are recorded without assessment; ask for a credential",
            ),
            Standing::Revoked => pick(
                "凭证已被吊销：只能记录和学习；请询问发证机构",
                "the credential was revoked, cases are recorded without assessment; ask the authority",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the enums is the order of the table.
    #[test]
    fn the_table_is_read_in_its_own_order() {
        assert!(Standing::ALL.iter().enumerate().all(|(i, s)| *s as usize == i));
        assert!(Act::ALL.iter().enumerate().all(|(i, a)| *a as usize == i));
    }

    #[test]
    fn capture_learning_and_urgency_are_never_locked_and_only_a_verified_doctor_goes_unlabelled() {
        for standing in Standing::ALL {
            for act in [Act::Learn, Act::Capture, Act::Urgency] {
                assert_eq!(rule(standing, act), Allowed, "{standing:?} {act:?}");
            }
            assert_eq!(rule(standing, Act::Assess) == Allowed, standing == Standing::Verified, "{standing:?}");
        }
    }

    /// docs/credentials.md prints this very table.
    #[test]
    fn the_guide_prints_the_table() {
        let guide =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/credentials.md")).expect("guide");
        let head: Vec<String> = Act::ALL.iter().map(name).collect();
        assert!(guide.contains(&format!("| standing | {} |", head.join(" | "))), "the guide lacks the columns");
        let lines: Vec<String> = Standing::ALL
            .iter()
            .zip(RULES)
            .map(|(standing, row)| {
                assert_eq!(name(standing), standing.code());
                let cells: Vec<String> = row.iter().map(name).collect();
                format!("| `{}` | {} |", standing.code(), cells.join(" | "))
            })
            .collect();
        assert_eq!(guide.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>(), lines);
        assert!(guide.contains(&format!("The grace period is {GRACE_DAYS} days")));
    }

    fn name(value: &impl Serialize) -> String {
        serde_json::to_value(value).expect("serialises").as_str().expect("a name").to_owned()
    }
}
