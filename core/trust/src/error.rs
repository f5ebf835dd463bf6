//! The one error of this crate, but for a pack that cannot be read ([`PackError`]). Texts say what to do next.

use crate::{PackError, PublicKey};
use std::io;

/// Why something is not trusted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The pack itself is refused.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The disk refused.
    #[error("the file cannot be used ({0}): check its name and the free space; an existing file is never overwritten")]
    Io(#[from] io::Error),
    /// The system gave no random bytes.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// Not a key.
    #[error(
        "this is no key: a device's or a public key is 64 hexadecimal digits, a sealing key begins with age1, and `barefoot pack keygen` writes key files"
    )]
    Key,
    /// Larger than any honest file of its kind.
    #[error("this file is too large to be what it should be: fetch it again")]
    TooLarge,
    /// Not the kind of file that it should be.
    #[error("this file is damaged, or not what it should be: fetch it again")]
    Damaged,
    /// Written for another version of Barefoot.
    #[error("this file was made for a newer Barefoot (format {0}): update Barefoot")]
    Format(u32),
    /// Not signed by enough of the keys that may sign it.
    #[error(
        "this file is not signed by enough of the keys that this device trusts: do not use it, and ask who gave it to you"
    )]
    Signatures,
    /// No root was accepted yet.
    #[error("this device trusts nobody's signatures yet: accept a root with `barefoot pack trust ROOT` first")]
    NoRoot,
    /// A root that nobody could use safely.
    #[error(
        "a root needs 2 or more of its keys for roots and for packs, exactly 1 for credentials, and no more than it has: make another"
    )]
    WeakRoot,
    /// A root that does not follow the one at hand.
    #[error("this root does not follow the one that this device trusts: bring every root in between, oldest first")]
    Chain,
    /// Older than what this device has seen.
    #[error("this is older than what this device has had already: fetch the newest")]
    Rollback,
    /// The same version with other content.
    #[error("this version was given to another pack before: fetch the pack again")]
    VersionReused,
    /// The signature is of another pack.
    #[error("the signature belongs to another pack: fetch the pack again")]
    OtherPack,
    /// The root's time is over.
    #[error(
        "the root that this device trusts has expired, so no new packs are taken: bring the next root with `barefoot pack trust ROOT`, or check this device's date"
    )]
    RootExpired,
    /// The pack was never signed.
    #[error("this pack is not signed: fetch a signed one, or name its folder with --pack to try it")]
    Unsigned,
    /// Not what a credential can say.
    #[error(
        "a credential needs a name of 1 to 200 characters and a licence of at most 200, each in one line: give them again"
    )]
    Claims,
    /// Not a credential's id.
    #[error("this is no credential's id: take the 32 hexadecimal digits that `barefoot credential verify` prints")]
    Id,
    /// The credential is for another device.
    #[error(
        "this credential was issued for another device: ask for one with the device key that `barefoot credential show` prints"
    )]
    OtherDevice,
    /// The credential was taken back.
    #[error("this credential was revoked: ask the authority that issued it")]
    Revoked,
    /// The credential has run out.
    #[error("this credential has expired: ask for a new one, and check this device's date")]
    Expired,
    /// The credential's time has not come.
    #[error("this credential is not valid yet: check this device's date")]
    NotYetValid,
    /// The sealed file is for somebody else.
    #[error(
        "this file was sealed for another device: ask for one with the sealing key that `barefoot credential show` prints"
    )]
    OtherRecipient,
    /// The sealed file comes from nobody known.
    #[error(
        "this file comes from a device that is not known here: compare this key with the sender's own, then import it with --from {0}"
    )]
    UnknownSender(PublicKey),
    /// The sealed file comes from somebody else than was said.
    #[error(
        "this file does not come from the device that you named but from {0}: ask the sender for the device key again"
    )]
    OtherSender(PublicKey),
    /// The device's own list cannot be read.
    #[error(
        "the file trust.json is damaged; nothing was changed: put an earlier copy back, or remove it and set up trust again"
    )]
    State,
}

impl TrustError {
    /// A code that stays the same over versions and languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Pack(_) => "pack.refused",
            Self::Io(_) | Self::Random(_) => "trust.refused",
            Self::Key => "trust.key",
            Self::TooLarge => "trust.too_large",
            Self::Damaged => "trust.damaged",
            Self::Format(_) => "trust.format",
            Self::Signatures => "trust.signatures",
            Self::NoRoot => "trust.no_root",
            Self::WeakRoot => "trust.weak_root",
            Self::Chain => "trust.chain",
            Self::Rollback => "trust.rollback",
            Self::VersionReused => "trust.version_reused",
            Self::OtherPack => "trust.other_pack",
            Self::RootExpired => "trust.root_expired",
            Self::Unsigned => "trust.unsigned",
            Self::Claims => "credential.claims",
            Self::Id => "credential.id",
            Self::OtherDevice => "credential.other_device",
            Self::Revoked => "credential.revoked",
            Self::Expired => "credential.expired",
            Self::NotYetValid => "credential.not_yet_valid",
            Self::OtherRecipient => "sealed.other_recipient",
            Self::UnknownSender(_) => "sealed.unknown_sender",
            Self::OtherSender(_) => "sealed.other_sender",
            Self::State => "trust.state",
        }
    }

    /// The sentence in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Pack(error) => error.zh(),
            Self::Io(error) => format!("文件无法使用（{error}）：请检查文件名和剩余空间；已有的文件绝不覆盖"),
            Self::Random(error) => format!("系统无法提供随机数：{error}"),
            Self::Key => {
                "这不是密钥：设备密钥和公钥是64个十六进制数字，封装密钥以age1开头，密钥文件由 barefoot pack keygen 生成"
                    .to_owned()
            }
            Self::TooLarge => "文件过大，不可能是所需的文件：请重新获取".to_owned(),
            Self::Damaged => "文件已损坏，或不是所需的文件：请重新获取".to_owned(),
            Self::Format(format) => format!("此文件供更新的版本使用（格式{format}）：请升级"),
            Self::Signatures => "本机信任的密钥中没有足够的签名：请勿使用，并询问文件来源".to_owned(),
            Self::NoRoot => "本机还没有信任任何签名：请先用 barefoot pack trust 接受信任根".to_owned(),
            Self::WeakRoot => "信任根和数据包至少要两把密钥签名，凭证恰好一把，且不多于所列密钥：请重新制作".to_owned(),
            Self::Chain => "此信任根接不上本机现有的信任根：请从旧到新依次提供中间的每一个".to_owned(),
            Self::Rollback => "比本机已有的版本旧：请获取最新的".to_owned(),
            Self::VersionReused => "此版本号曾用于另一个数据包：请重新获取".to_owned(),
            Self::OtherPack => "签名属于另一个数据包：请重新获取".to_owned(),
            Self::RootExpired => {
                "本机信任的信任根已过期，不再接受新数据包：请用 barefoot pack trust 接受下一个信任根，或检查本机日期"
                    .to_owned()
            }
            Self::Unsigned => "此数据包没有签名：请获取有签名的，或用 --pack 指定其文件夹试用".to_owned(),
            Self::Claims => "凭证要有1至200字的姓名，执业证号不超过200字，都不换行：请重新填写".to_owned(),
            Self::Id => "这不是凭证编号：请用 barefoot credential verify 显示的32个十六进制数字".to_owned(),
            Self::OtherDevice => {
                "此凭证发给了另一台设备：请把 barefoot credential show 显示的设备密钥交给发证机构重新申请".to_owned()
            }
            Self::Revoked => "此凭证已被吊销：请询问发证机构".to_owned(),
            Self::Expired => "此凭证已过期：请申请新的，并检查本机日期".to_owned(),
            Self::NotYetValid => "此凭证尚未生效：请检查本机日期".to_owned(),
            Self::OtherRecipient => {
                "此文件是封给另一台设备的：请把 barefoot credential show 显示的封装密钥交给发送方".to_owned()
            }
            Self::UnknownSender(key) => format!("此文件来自未知设备：请与发送方核对此密钥，再用 --from {key} 导入"),
            Self::OtherSender(key) => format!("此文件不是来自所指定的设备，而是来自{key}：请再向发送方询问其设备密钥"),
            Self::State => "trust.json 已损坏；未作任何改动：请放回较早的副本，或删除后重新设置信任".to_owned(),
        }
    }
}
