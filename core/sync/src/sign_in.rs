//! Sign-in by OAuth 2.0 Device Authorization Grant (RFC 8628): the doctor types a short code on any device with a browser. The tokens are
//! kept in the phone's sealed store; a token that the server no longer takes is renewed with the refresh token.

use crate::SyncError;
use crate::net::{Lost, Net, Request, Response};
use crate::records::Records;
use form_urlencoded::Serializer;
use serde_json::Value;
use std::time::Duration;

/// Name of the kept access token.
pub(crate) const ACCESS: &str = "oauth/access";
const REFRESH: &str = "oauth/refresh";
const ENDPOINT: &str = "oauth/token-endpoint";
const CLIENT: &str = "oauth/client";
/// RFC 8628, section 3.2: five seconds where the server names no interval, and five more on `slow_down` (3.5).
const STEP: Duration = Duration::from_secs(5);
/// Tries at an address that does not answer.
const TRIES: u32 = 3;

/// What the doctor is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// To be typed.
    pub user_code: String,
    /// Where.
    pub address: String,
    /// The same with the code in it, for a link or a QR code.
    pub whole_address: Option<String>,
}

/// Signs in at an OpenID provider or OAuth server. Does I/O, blocks until the doctor has answered.
///
/// # Errors
/// When the provider is not reached, the doctor refuses or takes too long, or the store refuses.
pub fn sign_in<R: Records, N: Net>(
    records: &mut R,
    net: &mut N,
    issuer: &str,
    client: &str,
    scope: &str,
    show: &mut dyn FnMut(&Prompt),
) -> Result<(), SyncError<R::Error>> {
    let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let provider = json(&ask(net, &Request::new("GET", discovery))?);
    let (Some(device_endpoint), Some(token_endpoint)) =
        (text(&provider, "device_authorization_endpoint"), text(&provider, "token_endpoint"))
    else {
        return Err(SyncError::NotSignedIn("the provider offers no device sign-in".to_owned()));
    };
    let begun = json(&ask(net, &form(&device_endpoint, &[("client_id", client), ("scope", scope)]))?);
    let (Some(device_code), Some(user_code), Some(address)) =
        (text(&begun, "device_code"), text(&begun, "user_code"), text(&begun, "verification_uri"))
    else {
        return Err(refusal(&begun));
    };
    show(&Prompt { user_code, address, whole_address: text(&begun, "verification_uri_complete") });
    let started = net.elapsed();
    let valid = Duration::from_secs(begun["expires_in"].as_u64().unwrap_or(600));
    let mut interval = begun["interval"].as_u64().map_or(STEP, Duration::from_secs);
    let poll = form(
        &token_endpoint,
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &device_code),
            ("client_id", client),
        ],
    );
    loop {
        net.wait(interval).map_err(|_| SyncError::Stopped)?;
        let answer = json(&ask(net, &poll)?);
        match answer["error"].as_str() {
            None if answer["access_token"].is_string() => {
                for (name, value) in [(ENDPOINT, token_endpoint.as_str()), (CLIENT, client)] {
                    records.set_value(name, Some(value)).map_err(SyncError::Records)?;
                }
                return keep(records, &answer).map(|_| ());
            }
            Some("authorization_pending") if net.elapsed().saturating_sub(started) < valid => {}
            Some("slow_down") => interval += STEP,
            _ => return Err(refusal(&answer)),
        }
    }
}

/// Keeps a token that was handed out by other means, or forgets all tokens. Does I/O.
///
/// # Errors
/// When the store refuses.
pub fn set_token<R: Records>(records: &mut R, token: Option<&str>) -> Result<(), R::Error> {
    for name in [REFRESH, ENDPOINT, CLIENT] {
        records.set_value(name, None)?;
    }
    records.set_value(ACCESS, token)
}

/// A new access token, in place of one that is no longer taken.
pub(crate) fn refresh<R: Records, N: Net>(records: &mut R, net: &mut N) -> Result<Option<String>, SyncError<R::Error>> {
    let mut kept = |name: &str| records.value(name).map_err(SyncError::Records)?.ok_or(SyncError::SignIn);
    let (token, endpoint, client) = (kept(REFRESH)?, kept(ENDPOINT)?, kept(CLIENT)?);
    let request =
        form(&endpoint, &[("grant_type", "refresh_token"), ("refresh_token", &token), ("client_id", &client)]);
    let answer = json(&ask(net, &request)?);
    if !answer["access_token"].is_string() {
        return Err(SyncError::SignIn);
    }
    keep(records, &answer).map(Some)
}

/// Providers may send a new refresh token with each access token, or go on with the old one.
fn keep<R: Records>(records: &mut R, answer: &Value) -> Result<String, SyncError<R::Error>> {
    let access = text(answer, "access_token").unwrap_or_default();
    if let Some(refresh) = text(answer, "refresh_token") {
        records.set_value(REFRESH, Some(&refresh)).map_err(SyncError::Records)?;
    }
    records.set_value(ACCESS, Some(&access)).map_err(SyncError::Records)?;
    Ok(access)
}

fn ask<E: std::error::Error>(net: &mut impl Net, request: &Request) -> Result<Response, SyncError<E>> {
    for _ in 0..TRIES {
        match net.send(request) {
            Ok(answer) if answer.status < 500 => return Ok(answer),
            Err(Lost::Stopped) => return Err(SyncError::Stopped),
            Ok(_) | Err(_) => net.wait(STEP).map_err(|_| SyncError::Stopped)?,
        }
    }
    Err(SyncError::Unreachable)
}

fn form(url: &str, fields: &[(&str, &str)]) -> Request {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    Request::new("POST", url.to_owned())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(body.into_bytes())
}

fn json(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn text(answer: &Value, name: &str) -> Option<String> {
    answer[name].as_str().map(str::to_owned)
}

fn refusal<E: std::error::Error>(answer: &Value) -> SyncError<E> {
    let why = answer["error_description"].as_str().or(answer["error"].as_str()).unwrap_or("no reason given");
    SyncError::NotSignedIn(why.chars().take(200).collect())
}
