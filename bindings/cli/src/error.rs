//! What the command says when it fails: one plain sentence, exit code 1.

use barefoot_app::AppError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    App(#[from] AppError),
    /// `what` is the role of the file, never its name: names of photos often hold names of patients.
    #[error("the {what} cannot be read: {source}")]
    Read { what: &'static str, source: io::Error },
    #[error("the {what} cannot be written: {source}")]
    Write { what: &'static str, source: io::Error },
    #[error("there is no pack with this name; `barefoot pack list` shows them")]
    NoPack,
    #[error("line {line} of the {what} is not as it should be: {reason}")]
    Line { what: &'static str, line: usize, reason: String },
    #[error("the label in line {0} of the index is neither a label of the pack nor OUT")]
    Label(usize),
    #[error("two doctors have this name: give the id that `barefoot doctor list` shows")]
    TwoDoctors,
    #[error("no home folder is known: give --data DIR or set BAREFOOT_HOME")]
    NoHome,
    #[error("the folder for the new pack is not empty: name another")]
    Occupied,
    /// `at` counts the folder's files in the order of their names; the name itself may hold a patient's.
    #[error("picture {at} of {of} (in the order of their names): {error}")]
    Picture { at: usize, of: usize, error: AppError },
    #[error("{0} of the stored records are damaged; the others are whole")]
    Damaged(usize),
}

impl CliError {
    pub(crate) fn zh(&self) -> String {
        match self {
            Self::App(error) => error.zh(),
            Self::Read { what, source } => format!("无法读取{}：{source}", role(what)),
            Self::Write { what, source } => format!("无法写入{}：{source}", role(what)),
            Self::NoPack => "没有这个名字的模型包，请用 barefoot pack list 查看".to_owned(),
            Self::Line { what, line, reason } => format!("{}第{line}行有误：{reason}", role(what)),
            Self::Label(line) => format!("索引文件第{line}行的标签既不是模型包的标签，也不是OUT"),
            Self::TwoDoctors => "有两位医生同名：请用 barefoot doctor list 显示的编号".to_owned(),
            Self::NoHome => "找不到主目录：请用 --data 或 BAREFOOT_HOME 指定数据夹".to_owned(),
            Self::Occupied => "新模型包的文件夹不是空的：请另选".to_owned(),
            Self::Picture { at, of, error } => format!("按文件名排序的第{at}张（共{of}张）：{}", error.zh()),
            Self::Damaged(count) => format!("有{count}条记录损坏，其余完好"),
        }
    }
}

fn role(what: &str) -> &str {
    match what {
        "photo" => "照片",
        "heat map" => "热图",
        "index" => "索引文件",
        "file of cases" => "病例文件",
        "report" => "报告",
        "export" => "导出文件",
        "PIN" => "PIN码",
        "folder of pictures" => "照片文件夹",
        "pack" => "模型包",
        "root certificate" => "根证书文件",
        "token" => "令牌文件",
        other => other,
    }
}

impl<E: Into<AppError>> From<E> for CliError
where
    E: IntoApp,
{
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

/// The core's own errors, which become an [`AppError`].
pub(crate) trait IntoApp {}
impl IntoApp for barefoot_app::clinic::ClinicError {}
impl IntoApp for barefoot_app::knowledge::KnowledgeError {}
impl IntoApp for barefoot_app::trust::PackError {}
impl IntoApp for barefoot_app::vision::ModelError {}
impl IntoApp for barefoot_app::vision::PhotoError {}
