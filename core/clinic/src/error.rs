//! The one error of this crate. Texts say what to do next and hold no patient data.

use crate::Kind;
use std::io;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum ClinicError {
    /// The disk refused.
    #[error("the disk refuses: {0}; check the folder and its permissions, then try again")]
    Io(#[source] io::Error),
    /// The database refused.
    #[error("the database cannot be used: {0}; try again, or restore a backup into an empty folder")]
    Database(#[source] rusqlite::Error),
    /// No room for what was to be written; what was there is whole.
    #[error("the disk is full: nothing was saved and nothing was lost; free some space, then try again")]
    DiskFull,
    /// The folder cannot be written to; what was there is whole.
    #[error(
        "the data folder cannot be written to: nothing was saved and nothing was lost; make it writable, then try again"
    )]
    ReadOnly,
    /// A stored record is not readable.
    #[error("a stored record is not readable: restore a backup into an empty folder, or update Barefoot")]
    Record(#[from] serde_json::Error),
    /// The key does not fit the database, or the database is damaged. Nothing was changed.
    #[error(
        "the key does not open this data folder, or its database is damaged; nothing was changed: use the right key or the recovery phrase, or restore a backup"
    )]
    WrongKey,
    /// The folder has records but the phone's key is gone. A new key would be useless.
    #[error(
        "the data folder holds records, but this device's key is missing: put the key file back, or use the recovery phrase"
    )]
    KeyMissing,
    /// The folder has a database but no key ring.
    #[error("the data folder holds records, but its file keys.json is missing: put it back, or restore from a backup")]
    KeyRingMissing,
    /// The device's key is not one.
    #[error("the key file must hold 64 hexadecimal digits: put the right file back, or use the recovery phrase")]
    KeyFile,
    /// The key ring was damaged.
    #[error("the file keys.json is damaged; nothing was changed: put an earlier copy back, or restore from a backup")]
    KeyRing,
    /// A doctor's PIN is needed.
    #[error("this data folder is protected: sign in with a doctor's PIN, or use the recovery phrase")]
    PinNeeded,
    /// The PIN is wrong.
    #[error("the PIN is wrong: try again")]
    WrongPin,
    /// Too many wrong PINs. Nothing is ever erased.
    #[error("too many wrong PINs: wait {seconds} seconds, then try again; nothing is erased")]
    PinWait {
        /// Until the next try.
        seconds: u64,
    },
    /// The phrase is not the one of this folder.
    #[error("the recovery phrase does not fit: check the words and their order")]
    WrongPhrase,
    /// No phrase was ever made.
    #[error("no recovery phrase was set up for these records: use this device's key or a doctor's PIN")]
    NoPhrase,
    /// The way in does not suit: a PIN belongs to one device.
    #[error("a backup is restored with the recovery phrase, or with this device's key while no doctor has a PIN")]
    PhraseNeeded,
    /// A backup that nobody could open elsewhere is worth nothing.
    #[error("make a recovery phrase first: without one, nobody could open this backup")]
    PhraseFirst,
    /// Written by a newer Barefoot.
    #[error("the data folder was written by a newer version (schema {0}): update Barefoot")]
    NewerSchema(i64),
    /// Another process has the folder open.
    #[error("the data folder is in use by another Barefoot: close it, or try again in a moment")]
    InUse,
    /// A sync is running already.
    #[error("another sync of this data folder is running: let it end first")]
    SyncRunning,
    /// Another process rotated the key while this one had let go of the folder.
    #[error("the key of the data folder was changed meanwhile; nothing is lost: start again")]
    KeyChanged,
    /// No such record.
    #[error("there is no {} with this id; {}", .0.en(), .0.hint().1)]
    NotFound(Kind),
    /// A merge needs two records that count.
    #[error(
        "one of the two was merged before, or both are the same record: name two records that count, or part them first"
    )]
    Merged,
    /// There is nothing to part.
    #[error("this patient was not merged into another; nothing was changed: name the record that was merged")]
    NotMerged,
    /// A photo file was changed, cut or swapped.
    #[error("a stored photo is damaged: take it from a backup")]
    PhotoDamaged,
    /// The original was purged after it had been sent.
    #[error("the original of this photo was removed after it had been sent; its thumbnail is still here")]
    PhotoPurged,
    /// Something that was typed cannot be stored.
    #[error("the {} {}", .field.en(), .problem.en())]
    Input {
        /// Where.
        field: Field,
        /// Why.
        problem: Problem,
    },
    /// The file is no backup, or not whole.
    #[error("the backup file is damaged or no backup; nothing was restored: use another copy")]
    BackupDamaged,
    /// Restore never overwrites.
    #[error("the data folder already holds records, and a restore never overwrites: choose an empty folder")]
    NotEmpty,
    /// A file of that name is there.
    #[error("a file of this name already exists: choose another name")]
    FileExists,
    /// The phone's own key store refused; why is not passed on.
    #[error("this phone's key store cannot be used: unlock the phone and try again")]
    Vault,
    /// The records were closed.
    #[error("the records are locked: sign in again")]
    Locked,
    /// A long job was stopped on request.
    #[error("stopped; nothing was changed: start again when you are ready")]
    Cancelled,
    /// The system gave no random bytes.
    #[error("the system gives no random numbers: {0}; try again in a moment")]
    Random(#[from] getrandom::Error),
}

/// What was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A person's name.
    Name,
    /// Date of birth.
    BirthDate,
    /// Age in years.
    Age,
    /// A code such as `female`.
    Code,
    /// Telephone number.
    Phone,
    /// Village or address.
    Village,
    /// The doctor's findings.
    Findings,
    /// Body site.
    Site,
    /// Words of a diagnosis, note, reason or destination.
    Words,
    /// A calendar date.
    Date,
    /// A PIN.
    Pin,
    /// A photo.
    Photo,
    /// The aid's assessment.
    Assessment,
}

impl Field {
    fn en(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::BirthDate => "birth date",
            Self::Age => "age",
            Self::Code => "code",
            Self::Phone => "phone number",
            Self::Village => "village",
            Self::Findings => "findings text",
            Self::Site => "body site",
            Self::Words => "text",
            Self::Date => "date",
            Self::Pin => "PIN",
            Self::Photo => "photo",
            Self::Assessment => "assessment",
        }
    }

    fn zh(self) -> &'static str {
        match self {
            Self::Name => "姓名",
            Self::BirthDate => "出生日期",
            Self::Age => "年龄",
            Self::Code => "代码",
            Self::Phone => "电话",
            Self::Village => "村庄",
            Self::Findings => "所见",
            Self::Site => "部位",
            Self::Words => "文字",
            Self::Date => "日期",
            Self::Pin => "PIN码",
            Self::Photo => "照片",
            Self::Assessment => "辅助意见",
        }
    }
}

/// Why it cannot be stored. Nothing is ever cut to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Nothing there.
    Empty,
    /// Over the limit.
    TooLong {
        /// Most characters.
        limit: usize,
    },
    /// U+0000, which other programs take as the end of a text.
    Nul,
    /// Not a calendar date.
    NotADate,
    /// After today.
    InTheFuture,
    /// Over 150 years ago, or not a number from 0 to 150.
    Impossible,
    /// Fewer than six characters, or all the same.
    Weak,
}

impl Problem {
    fn en(self) -> String {
        match self {
            Self::Empty => "is empty: fill it in".to_owned(),
            Self::TooLong { limit } => format!("is longer than {limit} characters: shorten it"),
            Self::Nul => "holds a NUL character: remove it".to_owned(),
            Self::NotADate => "is not a date: write YYYY-MM-DD, YYYY-MM or YYYY".to_owned(),
            Self::InTheFuture => "lies in the future: correct it".to_owned(),
            Self::Impossible => "is not possible: give 0 to 150 years".to_owned(),
            Self::Weak => "is too easy to guess: take six characters or more, not all the same".to_owned(),
        }
    }

    fn zh(self) -> String {
        match self {
            Self::Empty => "是空的，请填写".to_owned(),
            Self::TooLong { limit } => format!("超过{limit}个字符，请缩短"),
            Self::Nul => "含有空字符（NUL），请删除".to_owned(),
            Self::NotADate => "不是日期，请写成 年-月-日、年-月 或 年".to_owned(),
            Self::InTheFuture => "在今天之后，请更正".to_owned(),
            Self::Impossible => "不可能，应在0到150岁之间".to_owned(),
            Self::Weak => "太容易被猜到，请至少用六个不全相同的字符".to_owned(),
        }
    }
}

impl From<io::Error> for ClinicError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            // An error with more than a code names the file, and files may be named after patients.
            kind if error.raw_os_error().is_none() => Self::Io(kind.into()),
            _ => Self::Io(error),
        }
    }
}

impl From<rusqlite::Error> for ClinicError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error() {
            Some(e) if e.code == rusqlite::ErrorCode::DiskFull => Self::DiskFull,
            // The WAL's index could not grow: SQLite has no code of its own for that.
            Some(e) if e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Self::DiskFull,
            Some(e) if e.code == rusqlite::ErrorCode::ReadOnly => Self::ReadOnly,
            _ => Self::Database(error),
        }
    }
}

impl ClinicError {
    /// A code that stays the same over versions and languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongKey => "clinic.wrong_key",
            Self::KeyMissing => "clinic.key_missing",
            Self::KeyRingMissing => "clinic.key_ring_missing",
            Self::KeyFile => "clinic.key_file",
            Self::KeyRing => "clinic.key_ring_damaged",
            Self::PinNeeded => "clinic.pin_needed",
            Self::WrongPin => "clinic.wrong_pin",
            Self::PinWait { .. } => "clinic.pin_wait",
            Self::WrongPhrase => "clinic.wrong_phrase",
            Self::NoPhrase => "clinic.no_phrase",
            Self::PhraseNeeded => "clinic.phrase_needed",
            Self::PhraseFirst => "clinic.phrase_first",
            Self::NewerSchema(_) => "clinic.newer_schema",
            Self::InUse => "clinic.in_use",
            Self::SyncRunning => "clinic.sync_running",
            Self::KeyChanged => "clinic.key_changed",
            Self::NotFound(_) => "clinic.not_found",
            Self::Merged => "clinic.merged",
            Self::NotMerged => "clinic.not_merged",
            Self::PhotoDamaged => "clinic.photo_damaged",
            Self::PhotoPurged => "clinic.photo_purged",
            Self::Input { .. } => "clinic.input",
            Self::BackupDamaged => "clinic.backup_damaged",
            Self::NotEmpty => "clinic.not_empty",
            Self::FileExists => "clinic.file_exists",
            Self::Vault => "clinic.vault",
            Self::Locked => "clinic.locked",
            Self::Cancelled => "job.cancelled",
            Self::DiskFull => "clinic.disk_full",
            Self::ReadOnly => "clinic.read_only",
            Self::Io(_) | Self::Database(_) | Self::Record(_) | Self::Random(_) => "clinic.refused",
        }
    }

    /// The same sentence in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::WrongKey => {
                "密钥打不开此数据夹，或数据库已损坏；未作任何改动：请用正确的密钥或恢复短语，或从备份恢复".to_owned()
            }
            Self::KeyMissing => "数据夹有记录，但本机密钥丢失：请放回密钥文件，或使用恢复短语".to_owned(),
            Self::KeyRingMissing => "数据夹有记录，但缺少 keys.json：请放回该文件，或从备份恢复".to_owned(),
            Self::KeyFile => "密钥文件应为64个十六进制数字：请放回正确的文件，或使用恢复短语".to_owned(),
            Self::KeyRing => "keys.json 已损坏；未作任何改动：请放回较早的副本，或从备份恢复".to_owned(),
            Self::PinNeeded => "此数据夹受保护：请用医生的PIN码登录，或使用恢复短语".to_owned(),
            Self::WrongPin => "PIN码错误，请重试".to_owned(),
            Self::PinWait { seconds } => format!("PIN码错误次数过多：请等待{seconds}秒再试；不会删除任何数据"),
            Self::WrongPhrase => "恢复短语不符：请核对每个词及其顺序".to_owned(),
            Self::NoPhrase => "这些记录没有设置过恢复短语：请用本机密钥或医生的PIN码".to_owned(),
            Self::PhraseNeeded => "恢复备份要用恢复短语；没有医生设置PIN码时也可用本机密钥".to_owned(),
            Self::PhraseFirst => "请先生成恢复短语：没有它，谁也打不开这份备份".to_owned(),
            Self::NewerSchema(_) => "数据夹由更新的版本写成：请升级".to_owned(),
            Self::InUse => "数据夹正被另一个程序使用：请关闭它，或稍后再试".to_owned(),
            Self::SyncRunning => "此数据夹正在进行另一次同步：请等它结束".to_owned(),
            Self::KeyChanged => "数据夹的密钥刚被更换；数据没有丢失：请重新开始".to_owned(),
            Self::NotFound(kind) => format!("没有这个编号的{}；{}", kind.zh(), kind.hint().0),
            Self::Merged => "其中一份已被合并，或两者是同一份：请选两份未被合并的记录，或先拆分".to_owned(),
            Self::NotMerged => "这位患者没有被合并过，未作任何改动：请写被合并的那份记录的编号".to_owned(),
            Self::PhotoDamaged => "存储的照片已损坏：请从备份中取回".to_owned(),
            Self::PhotoPurged => "此照片的原图在上传后已清除，缩略图仍在".to_owned(),
            Self::Input { field, problem } => format!("{}{}", field.zh(), problem.zh()),
            Self::BackupDamaged => "备份文件已损坏或不是备份；未恢复任何内容：请换另一份副本".to_owned(),
            Self::NotEmpty => "数据夹已有记录，恢复绝不覆盖：请选一个空数据夹".to_owned(),
            Self::FileExists => "已有同名文件：请换一个名字".to_owned(),
            Self::Vault => "无法使用本机的密钥库：请解锁手机后再试".to_owned(),
            Self::Locked => "病历已上锁：请重新登录".to_owned(),
            Self::Cancelled => "已停止，未作任何改动：可随时重新开始".to_owned(),
            Self::DiskFull => "存储空间已满：未保存，也未丢失任何内容；请清出空间后再试".to_owned(),
            Self::ReadOnly => "数据夹不可写：未保存，也未丢失任何内容；请改为可写后再试".to_owned(),
            Self::Io(error) => format!("磁盘拒绝读写：{error}；请检查文件夹及其权限后再试"),
            Self::Database(error) => format!("数据库无法使用：{error}；请重试，或把备份恢复到空数据夹"),
            Self::Record(_) => "存储的记录无法读取：请把备份恢复到空数据夹，或升级".to_owned(),
            Self::Random(error) => format!("系统无法提供随机数：{error}；请稍后再试"),
        }
    }
}
