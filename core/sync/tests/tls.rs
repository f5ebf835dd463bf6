//! A pinned root lets in the servers that it vouches for, and no others.

use barefoot_sync::{Http, Lost, Net, Request, SyncError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

type Root = CertifiedIssuer<'static, KeyPair>;

fn root() -> Root {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root")
}

/// Starts a server with a certificate for `name`, valid in these years, that answers every request; its port. It ends with the test.
fn server(root: &Root, name: &str, years: [i32; 2]) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    [params.not_before, params.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
    let certificate = params.signed_by(&key, root).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for phone in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).expect("a connection"), phone);
            let mut request = Vec::new();
            let mut byte = [0];
            // A phone that refuses the certificate says no more.
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                request.push(byte[0]);
            }
            if request.starts_with(b"GET /fhir/metadata ") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

fn ask(port: u16, trusted: Option<&Root>) -> Result<u16, Lost> {
    let pem = trusted.map(|root| root.pem());
    let mut http = Http::new::<Infallible>(pem.as_deref().map(str::as_bytes), Arc::default()).expect("a client");
    let request = Request::new("GET", format!("https://localhost:{port}/fhir/metadata"));
    http.send(&request).map(|answer| answer.status)
}

#[test]
fn only_a_server_that_the_pinned_root_vouches_for_is_let_in() {
    let (ours, other) = (root(), root());
    let good = server(&ours, "localhost", [2020, 2100]);
    assert_eq!(ask(good, Some(&ours)), Ok(200));
    assert_eq!(ask(good, Some(&other)), Err(Lost::Broken), "another root");
    assert_eq!(ask(good, None), Err(Lost::Broken), "Mozilla does not know it");
    let elsewhere = server(&ours, "elsewhere.test", [2020, 2100]);
    assert_eq!(ask(elsewhere, Some(&ours)), Err(Lost::Broken), "the certificate of another host");
    let expired = server(&ours, "localhost", [2000, 2001]);
    assert_eq!(ask(expired, Some(&ours)), Err(Lost::Broken), "expired");
}

#[test]
fn a_file_without_a_root_is_refused() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let refused = Http::new::<Infallible>(Some(pem.as_bytes()), Arc::default());
        assert!(matches!(refused, Err(SyncError::Setup(_))), "{pem}");
    }
}
