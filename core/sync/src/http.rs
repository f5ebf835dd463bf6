//! The one module that speaks HTTP: reqwest over rustls with ring. The roots are Mozilla's (webpki-roots), or one that the clinic pins;
//! the platform's verifier is not used, it panics on Android without a JVM handle (reqwest #2966).

use crate::SyncError;
use crate::net::{Lost, Net, Request, Response};
use reqwest::Method;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// To the first byte of a connection; a satellite or 2G link needs some seconds.
const CONNECT: Duration = Duration::from_secs(20);
/// For the server's own work.
const ANSWER: Duration = Duration::from_secs(30);
/// Slowest link that is still waited for, bytes per second.
const SLOWEST: u64 = 2_000;

/// HTTP with TLS.
pub struct Http {
    client: Client,
    started: Instant,
    bytes: u64,
    stop: Arc<AtomicBool>,
}

impl Http {
    /// A client that trusts Mozilla's roots, or only those in `roots` (PEM). Setting `stop` ends a sync at its next step.
    ///
    /// # Errors
    /// When the PEM holds no certificate, or TLS cannot be set up.
    pub fn new<E: std::error::Error>(roots: Option<&[u8]>, stop: Arc<AtomicBool>) -> Result<Self, SyncError<E>> {
        let setup = |why: &dyn std::fmt::Display| SyncError::Setup(why.to_string());
        let mut store = RootCertStore::empty();
        match roots {
            None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for root in CertificateDer::pem_slice_iter(pem) {
                    store.add(root.map_err(|e| setup(&e))?).map_err(|e| setup(&e))?;
                }
            }
        }
        if store.is_empty() {
            return Err(setup(&"the root file holds no certificate in PEM form"));
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| setup(&e))?
            .with_root_certificates(store)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .timeout(None)
            // A redirect would carry a token elsewhere.
            .redirect(Policy::none())
            .build()
            .map_err(|e| setup(&e))?;
        Ok(Self { client, started: Instant::now(), bytes: 0, stop })
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http(..)")
    }
}

impl Net for Http {
    fn send(&mut self, request: &Request) -> Result<Response, Lost> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Lost::Stopped);
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| Lost::Broken)?;
        let length = request.body.len() as u64;
        let mut outgoing =
            self.client.request(method, &request.url).timeout(ANSWER + Duration::from_secs(length / SLOWEST));
        for (name, value) in &request.headers {
            outgoing = outgoing.header(*name, value);
        }
        // Without a body there is no Content-Length: 0 on GET and HEAD, which some servers refuse.
        if length > 0 || matches!(request.method, "POST" | "PUT" | "PATCH") {
            outgoing = outgoing.body(request.body.clone());
        }
        self.bytes += length;
        let lost = |error: reqwest::Error| if error.is_timeout() { Lost::TimedOut } else { Lost::Broken };
        let answer = outgoing.send().map_err(lost)?;
        let status = answer.status().as_u16();
        let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = answer.headers().iter().map(header).collect();
        let body = answer.bytes().map_err(lost)?.to_vec();
        self.bytes += body.len() as u64;
        Ok(Response { status, headers, body })
    }

    fn wait(&mut self, pause: Duration) -> Result<(), Lost> {
        let until = Instant::now() + pause;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Lost::Stopped);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(200)));
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn random(&mut self) -> u64 {
        // Each RandomState has keys of its own: enough for spreading pauses, nothing secret hangs on it.
        RandomState::new().build_hasher().finish()
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
