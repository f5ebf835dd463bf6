//! `barefoot sync`: cases to the clinic's server and answers back; signing in; the state of every record.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column, printable};
use crate::packs;
use barefoot_app::clinic::{Clinic, ClinicError, Use};
use barefoot_app::sync::{Http, set_token, sign_in, sync};
use barefoot_app::{Prompt, SyncOptions, SyncPhotos, SyncProgress, SyncReport, disease_code};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long to go on without an answer of the server.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Photos {
    /// Previews, then the photos
    All,
    /// Previews alone, for a network that costs money
    Previews,
    /// Text alone
    None,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// The FHIR R4 server
    #[arg(long, value_name = "URL", required_unless_present_any = ["status", "sign_in", "retry"])]
    server: Option<String>,
    /// The tus endpoint for photos [default: photos go to the FHIR server as Binary]
    #[arg(long, value_name = "URL", requires = "server")]
    files: Option<String>,
    /// Which pictures to send; the others wait
    #[arg(long, value_enum, value_name = "WHICH", default_value = "all", requires = "server")]
    photos: Photos,
    /// One try: end at the first failure instead of waiting for a better network
    #[arg(long)]
    once: bool,
    /// Trust this root certificate alone (PEM), instead of Mozilla's list
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Sign this phone in at an OpenID provider first; the tokens are kept in the sealed store
    #[arg(long, value_name = "ISSUER")]
    sign_in: Option<String>,
    /// This program's name at the provider
    #[arg(long, value_name = "ID", default_value = "barefoot", requires = "sign_in")]
    client: String,
    /// What to ask the provider for
    #[arg(long, value_name = "WORDS", default_value = "openid offline_access", requires = "sign_in")]
    scope: String,
    /// Use the access token in this file, and keep it
    #[arg(long, value_name = "FILE", conflicts_with = "sign_in")]
    token_file: Option<PathBuf>,
    /// Let what the server has refused wait again
    #[arg(long)]
    retry: bool,
    /// Only show what is sent, waiting or refused, and why
    #[arg(long, conflicts_with_all = ["server", "sign_in", "token_file"])]
    status: bool,
}

impl Sync {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let mut clinic = home.clinic()?;
        if self.retry {
            let again = clinic.retry_quarantined()?;
            output.note(&format!("{again}项将重新发送"), &format!("{again} will be sent again"));
        }
        if self.status {
            return status(&clinic, output);
        }
        // From here on others may use the store too: the network is slow.
        let mut clinic = clinic.share()?;
        let read = |file: &PathBuf, what| fs::read(file).map_err(|source| CliError::Read { what, source });
        let root = self.root.as_ref().map(|file| read(file, "root certificate")).transpose()?;
        let mut http =
            Http::new::<ClinicError>(root.as_deref(), Arc::default()).map_err(barefoot_app::AppError::from)?;
        if let Some(file) = &self.token_file {
            let token = String::from_utf8_lossy(&read(file, "token")?).trim().to_owned();
            set_token(&mut clinic, Some(&token))?;
        }
        if let Some(issuer) = &self.sign_in {
            sign_in(&mut clinic, &mut http, issuer, &self.client, &self.scope, &mut |prompt| ask(prompt, output))?;
            output.note("登录成功。", "Signed in.");
        }
        let Some(server) = self.server else {
            if self.sign_in.is_some() || self.retry {
                output.show(&json!({ "signed_in": self.sign_in.is_some() }), |_| String::new());
            }
            return Ok(());
        };
        let encyclopedia = packs::encyclopedia()?;
        let codes = |slug: &str| disease_code(&encyclopedia, slug);
        let options = SyncOptions {
            server: server.trim_end_matches('/').to_owned(),
            files: self.files,
            photos: match self.photos {
                Photos::All => SyncPhotos::All,
                Photos::Previews => SyncPhotos::Previews,
                Photos::None => SyncPhotos::None,
            },
            patience: if self.once { Duration::ZERO } else { PATIENCE },
        };
        let bar = output.progress(0);
        let mut said = false;
        let mut watch = |progress: SyncProgress| {
            bar.set_length(progress.sent + progress.waiting);
            bar.set_position(progress.sent);
            bar.set_message(format!(" {} kB", progress.photo_bytes / 1000));
            if progress.pausing && !said {
                said = true;
                bar.suspend(|| patience(output));
            }
        };
        let report = sync(&mut clinic, &codes, &mut http, &options, &mut watch);
        bar.finish_and_clear();
        show(&report?, output);
        Ok(())
    }
}

fn patience(output: Output) {
    let minutes = PATIENCE.as_secs() / 60;
    output.note(
        &format!("服务器暂无应答，会继续尝试{minutes}分钟；可随时中断，数据不会丢失。"),
        &format!("No answer yet; trying for {minutes} minutes. It can be interrupted at any time: nothing is lost."),
    );
}

fn ask(prompt: &Prompt, output: Output) {
    let address = prompt.whole_address.as_ref().unwrap_or(&prompt.address);
    output.note(
        &format!("请在任一浏览器打开 {address} ，核对代码 {} 并登录。", prompt.user_code),
        &format!("Open {address} in any browser, check the code {} and sign in.", prompt.user_code),
    );
}

fn show(report: &SyncReport, output: Output) {
    output.show(report, |language| {
        let mut text = String::new();
        let mut line = |zh: &str, en: &str, n: u64| text += &format!("{}{n}\n", column(language.pick(zh, en), 22));
        line("已发送", "sent", report.sent);
        line("已收到", "received", report.received);
        line("待发送", "waiting", report.waiting);
        line("未获同意，留在本机", "kept, no consent", report.held_back);
        line("双方都改过，待核对", "to be looked at", report.reviews);
        line("字节", "bytes", report.bytes);
        for refused in &report.quarantined {
            text += &format!(
                "{} {} {}\n",
                column(language.pick("服务器拒收", "refused by server"), 22),
                refused.id,
                printable(&refused.reason)
            );
        }
        text
    });
}

/// Per record what became of its last change, and why; then what waits to be looked at.
fn status(clinic: &Clinic, output: Output) -> Result<(), CliError> {
    let records = clinic.deliveries(Use::Care)?;
    let reviews = clinic.open_reviews()?;
    output.show(&json!({ "records": records, "reviews": reviews }), |language| {
        let mut text = String::new();
        for record in &records {
            let state = match record.state.as_str() {
                "sent" => language.pick("已发送", "sent"),
                "waiting" => language.pick("待发送", "waiting"),
                "held_back" => language.pick("未获同意", "no consent"),
                _ => language.pick("服务器拒收", "refused"),
            };
            let reason = record.reason.as_deref().unwrap_or("");
            text += &format!("{}{}{} {}\n", column(state, 12), column(&record.kind, 16), record.id, printable(reason));
        }
        for review in &reviews {
            let words = |value: &Value| printable(&value.to_string());
            text += &format!(
                "{}{} {}: {} | {}\n",
                column(language.pick("待核对", "to review"), 12),
                review.reference,
                review.element,
                words(&review.ours),
                words(&review.theirs)
            );
        }
        text
    });
    Ok(())
}
