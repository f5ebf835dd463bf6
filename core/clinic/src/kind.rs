//! The kinds of record and their names.

/// The kinds of record, each with the table that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    Patient,
    /// A visit.
    Encounter,
    /// A place on a patient's skin, watched over time.
    Lesion,
    /// A photo.
    Photo,
    /// What the aid said.
    Assessment,
    /// What the doctor says.
    Diagnosis,
    /// What the doctor did or advised.
    TreatmentNote,
    /// A date to come back.
    FollowUp,
    /// A way up to another clinic.
    Referral,
    /// A yes or no to one use of the records.
    Consent,
    /// Who signs in on this phone.
    Doctor,
    /// What a specialist wrote about a case.
    Answer,
    /// An element that was changed here and on the server.
    Review,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Patient,
        Self::Encounter,
        Self::Lesion,
        Self::Photo,
        Self::Assessment,
        Self::Diagnosis,
        Self::TreatmentNote,
        Self::FollowUp,
        Self::Referral,
        Self::Consent,
        Self::Doctor,
        Self::Answer,
        Self::Review,
    ];

    /// The table's name, which is also the code in audit and outbox.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Encounter => "encounter",
            Self::Lesion => "lesion",
            Self::Photo => "photo",
            Self::Assessment => "assessment",
            Self::Diagnosis => "diagnosis",
            Self::TreatmentNote => "treatment_note",
            Self::FollowUp => "follow_up",
            Self::Referral => "referral",
            Self::Consent => "consent",
            Self::Doctor => "doctor",
            Self::Answer => "answer",
            Self::Review => "review",
        }
    }

    /// The kind with this table; `None` for one of a newer version.
    #[must_use]
    pub fn from_table(table: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.table() == table)
    }

    pub(crate) fn en(self) -> &'static str {
        match self {
            Self::TreatmentNote => "treatment note",
            Self::FollowUp => "follow-up",
            other => other.table(),
        }
    }

    pub(crate) fn zh(self) -> &'static str {
        match self {
            Self::Patient => "患者",
            Self::Encounter => "就诊记录",
            Self::Lesion => "皮损",
            Self::Photo => "照片",
            Self::Assessment => "辅助意见",
            Self::Diagnosis => "诊断",
            Self::TreatmentNote => "治疗记录",
            Self::FollowUp => "随访",
            Self::Referral => "转诊",
            Self::Consent => "知情同意",
            Self::Doctor => "医生",
            Self::Answer => "专家意见",
            Self::Review => "待核对项",
        }
    }

    /// Where its ids are shown: Chinese, English.
    pub(crate) fn hint(self) -> (&'static str, &'static str) {
        match self {
            Self::Patient => ("可用 barefoot patient search 查找", "`barefoot patient search` finds them"),
            Self::Lesion => ("可用 barefoot lesion list 查看", "`barefoot lesion list` shows a patient's"),
            Self::FollowUp => ("可用 barefoot cases due 查看", "`barefoot cases due` shows those that are planned"),
            Self::Photo => ("可用 barefoot cases show 查看", "`barefoot cases show` shows those of the same patient"),
            Self::Doctor => ("可用 barefoot doctor list 查看", "`barefoot doctor list` shows them"),
            Self::Review => ("可用 barefoot sync --status 查看", "`barefoot sync --status` lists them"),
            _ => ("可用 barefoot cases list 查看就诊记录", "`barefoot cases list` shows the encounters"),
        }
    }
}
