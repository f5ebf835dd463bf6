//! The one error of this crate. Texts say what to do next and hold no patient data.

/// Why a sync ended early. What was settled until then stays settled; the next sync goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SyncError<E: std::error::Error> {
    /// The phone's store refused.
    #[error(transparent)]
    Records(E),
    /// No answer for too long.
    #[error("the server does not answer: check the network and the address, then try again; nothing is lost")]
    Unreachable,
    /// 401 or 403.
    #[error("the server does not let this phone in: sign in again with `barefoot sync --sign-in`")]
    SignIn,
    /// The address answers, but not as FHIR.
    #[error("this address is no FHIR R4 server (status {0}): check it, most end in /fhir")]
    NotFhir(u16),
    /// Whoever started it wants it to end.
    #[error("the sync was stopped; the next one goes on from here")]
    Stopped,
    /// The sign-in was refused or took too long.
    #[error("the sign-in did not succeed ({0}): start it again")]
    NotSignedIn(String),
    /// TLS, a pinned root, or an address cannot be used.
    #[error("the connection cannot be set up: {0}")]
    Setup(String),
}

impl<E: std::error::Error> SyncError<E> {
    /// The same sentence in Chinese; the store's own error is the caller's to translate.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Records(error) => error.to_string(),
            Self::Unreachable => "服务器没有应答：请检查网络和地址后重试；数据没有丢失".to_owned(),
            Self::SignIn => "服务器拒绝本机访问：请用 barefoot sync --sign-in 重新登录".to_owned(),
            Self::NotFhir(status) => {
                format!("这个地址不是FHIR R4服务器（状态{status}）：请检查，地址多以 /fhir 结尾")
            }
            Self::Stopped => "同步已停止，下次从此处继续".to_owned(),
            Self::NotSignedIn(why) => format!("登录没有成功（{why}）：请重新开始"),
            Self::Setup(why) => format!("无法建立连接：{why}"),
        }
    }

    /// A code that stays the same over versions and languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Records(_) => "sync.records",
            Self::Unreachable => "sync.unreachable",
            Self::SignIn => "sync.sign_in",
            Self::NotFhir(_) => "sync.not_fhir",
            Self::Stopped => "sync.stopped",
            Self::NotSignedIn(_) => "sync.not_signed_in",
            Self::Setup(_) => "sync.setup",
        }
    }
}
