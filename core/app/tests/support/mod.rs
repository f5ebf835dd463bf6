//! Real servers for the tests of sync, started on free ports and ended with the test; a proxy that counts bytes and can be a bad link.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Where `cargo xtask setup NAME` has put a server; one that is missing fails the test. `None` without BAREFOOT_SERVERS, and the test says so:
/// the servers take minutes and gigabytes that not every machine has.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    if std::env::var_os("BAREFOOT_SERVERS").is_none() {
        let _ = writeln!(std::io::stderr(), "not run: cargo xtask setup {name}, then set BAREFOOT_SERVERS=1");
        return None;
    }
    let cache = std::env::var_os("BAREFOOT_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/barefoot")))?;
    let place = cache.join("servers").join(name);
    assert!(place.join("ready").is_file(), "the {name} server is missing: cargo xtask setup {name}");
    Some(place)
}

/// A running server.
pub(crate) struct Server {
    pub(crate) url: String,
    child: Child,
    /// Closing it ends the server, also when this test is killed.
    _stdin: ChildStdin,
}

impl Server {
    /// Starts a program that prints `ready URL` when it answers.
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let stdin = child.stdin.take().expect("stdin");
        let mut out = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let url = loop {
            let line = out.next().expect("it becomes ready").expect("a line");
            if let Some(url) = line.strip_prefix("ready ") {
                break url.to_owned();
            }
        };
        // What it prints later must not fill the pipe.
        thread::spawn(move || out.for_each(drop));
        Self { url, child, _stdin: stdin }
    }

    /// HAPI FHIR JPA, R4, on H2 in memory.
    pub(crate) fn fhir() -> Option<Self> {
        let place = installed("fhir")?;
        let class_path = format!("{0}/target/classes:{0}/target/jars/*", place.display());
        Some(Self::start(Command::new("java").args(["-Xmx1g", "-cp", &class_path, "FhirServer", "0"])))
    }

    /// @tus/server; on a port, to come back where it was.
    pub(crate) fn tus(folder: &Path, port: u16) -> Option<Self> {
        let place = installed("tus")?;
        Some(Self::start(Command::new("node").arg("server.js").arg(folder).arg(port.to_string()).current_dir(place)))
    }

    /// oidc-provider, with a gate before a FHIR server that takes each token so many times.
    pub(crate) fn oidc(fhir: &str, requests: u32) -> Option<Self> {
        let place = installed("oidc")?;
        Some(Self::start(Command::new("node").args(["server.js", fhir, &requests.to_string()]).current_dir(place)))
    }

    pub(crate) fn port(&self) -> u16 {
        let host = self.url.split('/').nth(2).expect("a host");
        host.rsplit_once(':').expect("a port").1.parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, or ends now: nothing else to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// tusd, the reference server; it takes no port 0, so a free one is found for it and it is polled.
pub(crate) struct Tusd {
    pub(crate) url: String,
    child: Child,
}

impl Tusd {
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        let program = installed("tus")?.join("bin/tusd");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut command = Command::new(program);
        command.args(["-host", "127.0.0.1", "-port", &port.to_string(), "-upload-dir"]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tusd starts");
        let mut this = Self { url: format!("http://127.0.0.1:{port}/files/"), child };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(this.child.try_wait().expect("asks").is_none(), "tusd has ended");
            assert!(started.elapsed() < Duration::from_secs(60), "tusd does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Some(this)
    }
}

impl Drop for Tusd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A link between phone and server: counts all bytes of TCP payload, and can be slow, far, lossy and cut.
pub(crate) struct Link {
    pub(crate) url: String,
    pub(crate) bytes: Arc<AtomicU64>,
    cuts: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
}

/// How bad a link is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quality {
    /// Bytes per second each way; 0: no limit.
    pub(crate) rate: u64,
    /// There and back.
    pub(crate) round_trip: Duration,
    /// Every so many packets one is lost, which TCP repairs after about a round trip; 0: none.
    pub(crate) lost_one_in: u64,
    /// Every so many bytes up the connection is cut, as often as `cuts` says.
    pub(crate) cut_every: u64,
    pub(crate) cuts: u64,
}

impl Link {
    /// A link to the server at this address.
    pub(crate) fn to(url: &str, quality: Quality) -> Self {
        let (before, rest) = url.split_once("://").expect("a scheme");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let this = Self {
            url: format!("{before}://127.0.0.1:{port}/{path}"),
            bytes: Arc::default(),
            cuts: Arc::new(AtomicU64::new(quality.cuts)),
            closed: Arc::default(),
        };
        let (bytes, cuts, closed, host) = (this.bytes.clone(), this.cuts.clone(), this.closed.clone(), host.to_owned());
        let up = Arc::new(AtomicU64::new(0));
        thread::spawn(move || {
            for phone in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(server) = TcpStream::connect(&host) else { continue };
                for (from, to, counter) in [(&phone, &server, Some(up.clone())), (&server, &phone, None)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    let (bytes, cuts) = (bytes.clone(), cuts.clone());
                    thread::spawn(move || carry(from, to, quality, &bytes, counter.as_deref(), &cuts));
                }
            }
        });
        this
    }

    pub(crate) fn cuts_left(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// One direction. The link's own time passes here: nothing is asserted about it but by the test that measures it.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    quality: Quality,
    bytes: &AtomicU64,
    up: Option<&AtomicU64>,
    cuts: &AtomicU64,
) {
    // About one packet, so that losses are as frequent as on a real link.
    let mut packet = [0; 1400];
    let mut count = 0;
    // A burst after silence waits for half a round trip; packets behind it follow at the link's rate.
    let mut last = Instant::now() - Duration::from_secs(60);
    while let Ok(n) = from.read(&mut packet) {
        if n == 0 {
            break;
        }
        if last.elapsed() > quality.round_trip / 2 {
            thread::sleep(quality.round_trip / 2);
        }
        let at_this_rate = (n as u64 * 1_000_000).checked_div(quality.rate).unwrap_or(0);
        thread::sleep(Duration::from_micros(at_this_rate));
        count += 1;
        if quality.lost_one_in > 0 && count % quality.lost_one_in == 0 {
            thread::sleep(quality.round_trip);
        }
        last = Instant::now();
        bytes.fetch_add(n as u64, Ordering::Relaxed);
        if to.write_all(&packet[..n]).is_err() {
            break;
        }
        if let Some(up) = up.filter(|_| quality.cut_every > 0) {
            let before = up.fetch_add(n as u64, Ordering::Relaxed);
            let crosses = before / quality.cut_every != (before + n as u64) / quality.cut_every;
            let left =
                cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(u64::from(crosses)));
            if crosses && left.is_ok() {
                let _ = from.shutdown(Shutdown::Both);
            }
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
