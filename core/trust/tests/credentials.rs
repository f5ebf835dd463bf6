//! Row 16: credentials that are forged, expired, revoked, for another device or under a wrong clock. Whatever the standing, a case can be
//! recorded.

mod support;

use barefoot_trust::{
    Act, Claims, Credential, GRACE_DAYS, Revocations, Ruling, SigningKey, Standing, TrustError, TrustStore, rule,
};
use jiff::Timestamp;
use proptest::prelude::*;
use std::path::Path;
use support::{day, device, key, role, signed_root, usual};

const YEARS_10: i64 = 3650;

fn this_device() -> SigningKey {
    key(40)
}

fn claims(from: i64, days: u32) -> Claims {
    Claims::new("王医生", "110-2026-7", this_device().public(), day(from), days).expect("claims")
}

/// What the store says of a token at a day; the first line of a refusal otherwise.
fn standing_of(token: &str, at: i64, dir: &Path) -> Result<Standing, String> {
    let mut store = device(dir);
    let taken = store.install_credential(token, &this_device().public(), day(at));
    taken.map_err(|error| error.code().to_owned())?;
    Ok(store.verdict(Some(&this_device().public()), None, day(at)).standing)
}

/// The claims as JSON, changed and signed as PASETO signs.
fn signed_json(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(claims(0, 365)).expect("value");
    change(&mut value);
    sign_text(&value.to_string(), Some(b"barefoot credential v1"), None)
}

fn sign_text(text: &str, assertion: Option<&[u8]>, footer: Option<&[u8]>) -> String {
    let pair = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([21; 32]));
    let secret = pasetors::keys::AsymmetricSecretKey::<pasetors::version4::V4>::from(&*pair.sk).expect("key");
    pasetors::version4::PublicToken::sign(&secret, text.as_bytes(), footer, assertion).expect("signs")
}

#[test]
fn twenty_five_vectors_and_more_are_judged_right() {
    let good = claims(0, 365).issue(&key(20)).expect("issues");
    let plain = serde_json::to_string(&claims(0, 365)).expect("text");
    let other_device = Claims::new("王医生", "", key(41).public(), day(0), 365).expect("claims").issue(&key(20));
    let part = |range: std::ops::Range<usize>| good.get(range).expect("ascii").to_owned();
    let flipped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ascii")
    };
    let refused = |code: &str| Err(code.to_owned());
    let forged = || refused("trust.signatures");
    let damaged = || refused("trust.damaged");
    let body = good.strip_prefix("v4.public.").expect("header").to_owned();
    let vectors: Vec<(&str, String, i64, Result<Standing, String>)> = vec![
        ("good", good.clone(), 1, Ok(Standing::Verified)),
        ("good, on its last day", good.clone(), 364, Ok(Standing::Verified)),
        ("with a line end", format!("{good}\n"), 1, Ok(Standing::Verified)),
        ("expired", good.clone(), 365, refused("credential.expired")),
        ("expired by ten years", good.clone(), 365 + YEARS_10, refused("credential.expired")),
        ("clock ten years back", good.clone(), -YEARS_10, Ok(Standing::Verified)),
        ("not valid yet", claims_from(100).issue(&key(20)).expect("issues"), 1, refused("credential.not_yet_valid")),
        ("another device", other_device.expect("issues"), 1, refused("credential.other_device")),
        ("a stranger's key", claims(0, 365).issue(&key(30)).expect("issues"), 1, forged()),
        ("a pack signer's key", claims(0, 365).issue(&key(10)).expect("issues"), 1, forged()),
        ("a root signer's key", claims(0, 365).issue(&key(0)).expect("issues"), 1, forged()),
        ("the device's own key", claims(0, 365).issue(&this_device()).expect("issues"), 1, forged()),
        ("a changed first byte", flipped(12), 1, forged()),
        ("a changed middle", flipped(good.len() / 2), 1, forged()),
        ("a changed signature", flipped(good.len() - 10), 1, forged()),
        ("cut", part(0..good.len() - 4), 1, forged()),
        ("the header alone", "v4.public.".to_owned(), 1, damaged()),
        ("empty", String::new(), 1, damaged()),
        ("no token", "a letter".to_owned(), 1, damaged()),
        ("another version", format!("v2.public.{body}"), 1, damaged()),
        ("another version, 3", format!("v3.public.{body}"), 1, damaged()),
        ("another purpose", format!("v4.local.{body}"), 1, damaged()),
        ("a JWT without algorithm", "eyJhbGciOiJub25lIn0.e30.".to_owned(), 1, damaged()),
        ("a JWT by HMAC with the public key", format!("eyJhbGciOiJIUzI1NiJ9.{body}"), 1, damaged()),
        ("a footer", format!("{good}.Zm9vdGVy"), 1, forged()),
        ("signed for another purpose", sign_text(&plain, Some(b"barefoot pack v1"), None), 1, forged()),
        ("signed for no purpose", sign_text(&plain, None, None), 1, forged()),
        ("signed with a footer", sign_text(&plain, Some(b"barefoot credential v1"), Some(b"f")), 1, forged()),
        ("a format to come", signed_json(|c| c["format"] = 2.into()), 1, refused("trust.format")),
        ("no device", signed_json(|c| drop(c.as_object_mut().expect("map").remove("device"))), 1, damaged()),
        ("no end", signed_json(|c| drop(c.as_object_mut().expect("map").remove("exp"))), 1, damaged()),
        ("an end that is no time", signed_json(|c| c["exp"] = "never".into()), 1, damaged()),
        ("an end before its begin", signed_json(|c| c["nbf"] = "2030-01-01T00:00:00Z".into()), 1, damaged()),
        ("no name", signed_json(|c| c["sub"] = " ".into()), 1, damaged()),
        ("a name that steers the terminal", signed_json(|c| c["sub"] = "\u{1b}[2J".into()), 1, damaged()),
        ("an id that is none", signed_json(|c| c["jti"] = "../x".into()), 1, damaged()),
        ("too large", format!("v4.public.{}", "A".repeat(9000)), 1, refused("trust.too_large")),
    ];
    assert!(vectors.len() >= 25, "{}", vectors.len());
    for (name, token, at, expected) in vectors {
        let dir = tempfile::tempdir().expect("dir");
        assert_eq!(standing_of(&token, at, dir.path()), expected, "{name}");
    }
}

fn claims_from(nbf: i64) -> Claims {
    Claims { nbf: day(nbf), ..claims(0, 365) }
}

/// The standing of one doctor over the years, and what setting the clock does to it.
#[test]
fn time_passes_and_no_clock_brings_it_back() {
    let dir = tempfile::tempdir().expect("dir");
    let me = this_device().public();
    let mut store = TrustStore::open(dir.path()).expect("opens");
    let at = |store: &TrustStore, days: i64| store.verdict(Some(&me), None, day(days)).standing;
    for clock in [-YEARS_10, 0, YEARS_10] {
        assert_eq!(at(&store, clock), Standing::NoAuthority, "{clock}");
    }
    store.accept_root(&signed_root(&usual(1), &[0, 1]), day(0)).expect("accepts");
    assert_eq!(at(&store, 0), Standing::UnverifiedInGrace);
    assert_eq!(at(&store, GRACE_DAYS - 1), Standing::UnverifiedInGrace);
    assert_eq!(at(&store, GRACE_DAYS), Standing::Unverified);
    assert_eq!(at(&store, -YEARS_10), Standing::UnverifiedInGrace, "never before the root was signed");
    let token = claims(10, 100).issue(&key(20)).expect("issues");
    store.install_credential(&token, &me, day(11)).expect("installs");
    assert_eq!(at(&store, 109), Standing::Verified);
    assert_eq!(at(&store, 110), Standing::ExpiredInGrace);
    assert_eq!(at(&store, 110 + GRACE_DAYS), Standing::Expired);
    assert_eq!(at(&store, YEARS_10), Standing::Expired, "while the clock is wrong");
    assert_eq!(at(&store, 50), Standing::Verified, "and no longer");
    // The clock is noted as it runs; set back, it gains nothing.
    for days in [20, 60, 120, 150] {
        store.note_clock(day(days)).expect("notes");
    }
    assert_eq!(at(&store, 50), Standing::Expired);
    assert_eq!(at(&TrustStore::open(dir.path()).expect("opens"), -YEARS_10), Standing::Expired, "after a restart too");
    // A clock that jumps ten years ahead is not believed, so that it does no lasting harm.
    store.note_clock(day(YEARS_10)).expect("notes nothing");
    let renewed = claims(151, 100).issue(&key(20)).expect("issues");
    store.install_credential(&renewed, &me, day(152)).expect("installs");
    assert_eq!(at(&store, 152), Standing::Verified);
}

#[test]
fn who_is_revoked_has_no_grace_and_lists_do_not_forget() {
    let dir = tempfile::tempdir().expect("dir");
    let me = this_device().public();
    let mut store = device(dir.path());
    let mine = claims(0, 365);
    let token = mine.issue(&key(20)).expect("issues");
    store.install_credential(&token, &me, day(1)).expect("installs");
    let (first, first_text) = Revocations::default().add(&["0".repeat(32)], &key(20), day(2)).expect("adds");
    let (second, second_text) = first.add(std::slice::from_ref(&mine.jti), &key(20), day(3)).expect("adds");
    store.install_revocations(first_text.as_bytes()).expect("takes");
    assert_eq!(store.verdict(Some(&me), None, day(4)).standing, Standing::Verified);
    store.install_revocations(second_text.as_bytes()).expect("takes");
    assert_eq!(store.verdict(Some(&me), None, day(4)).standing, Standing::Revoked);
    assert!(matches!(store.install_credential(&token, &me, day(4)), Err(TrustError::Revoked)));
    assert!(matches!(store.install_revocations(first_text.as_bytes()), Err(TrustError::Rollback)));
    let mut forgetting = second.clone();
    forgetting.credentials.clear();
    let (_, text) = forgetting.add(&[], &key(20), day(5)).expect("adds");
    assert!(matches!(store.install_revocations(text.as_bytes()), Err(TrustError::Rollback)));
    let (_, stranger) = second.add(&[], &key(30), day(5)).expect("adds");
    assert!(matches!(store.install_revocations(stranger.as_bytes()), Err(TrustError::Signatures)));
    assert!(matches!(store.install_revocations(b"{}"), Err(TrustError::Damaged)));
    assert_eq!(store.verdict(Some(&me), None, day(4)).standing, Standing::Revoked, "all of them changed nothing");
    store.install_revocations(second_text.as_bytes()).expect("the same list again");
    assert!(Revocations::default().add(&["../x".to_owned()], &key(20), day(1)).is_err());
}

#[test]
fn a_root_with_other_authorities_gives_time_to_renew() {
    let dir = tempfile::tempdir().expect("dir");
    let me = this_device().public();
    let mut store = device(dir.path());
    let token = claims(0, 365).issue(&key(20)).expect("issues");
    store.install_credential(&token, &me, day(1)).expect("installs");
    let next = barefoot_trust::Root { credentials: role(&[21], 1), ..usual(2) };
    store.accept_root(&signed_root(&next, &[0, 2]), day(100)).expect("follows");
    assert_eq!(store.verdict(Some(&me), None, day(101)).standing, Standing::UnverifiedInGrace);
    assert_eq!(store.verdict(Some(&me), None, day(100 + GRACE_DAYS)).standing, Standing::Unverified);
    let renewed = claims(101, 365).issue(&key(21)).expect("issues");
    store.install_credential(&renewed, &me, day(102)).expect("installs");
    assert_eq!(store.verdict(Some(&me), None, day(102)).standing, Standing::Verified);
}

#[test]
fn a_data_folder_carried_to_another_device_verifies_nobody() {
    let dir = tempfile::tempdir().expect("dir");
    let mut store = device(dir.path());
    let token = claims(0, 365).issue(&key(20)).expect("issues");
    store.install_credential(&token, &this_device().public(), day(1)).expect("installs");
    for other in [Some(key(41).public()), None] {
        let verdict = store.verdict(other.as_ref(), None, day(100));
        assert_eq!(verdict.standing, Standing::Unverified);
        assert!(matches!(verdict.reason, Some(TrustError::OtherDevice)));
    }
}

#[test]
fn on_a_shared_phone_a_credential_counts_for_the_doctor_whose_name_it_bears() {
    let dir = tempfile::tempdir().expect("dir");
    let me = this_device().public();
    let mut store = device(dir.path());
    for (name, days) in [("王医生", 100), ("李医生", 200)] {
        let claims = Claims::new(name, "", me, day(0), days).expect("claims");
        store.install_credential(&claims.issue(&key(20)).expect("issues"), &me, day(1)).expect("installs");
    }
    let of = |store: &TrustStore, name: &str| store.verdict(Some(&me), Some(name), day(150));
    assert_eq!(of(&store, "李医生").standing, Standing::Verified);
    assert_eq!(of(&store, "王医生").standing, Standing::Expired);
    assert_eq!(of(&store, "张医生").standing, Standing::Unverified);
    let renewed = Claims::new("王医生", "", me, day(140), 100).expect("claims").issue(&key(20)).expect("issues");
    store.install_credential(&renewed, &me, day(150)).expect("renews");
    assert_eq!(of(&store, "王医生").standing, Standing::Verified);
    assert_eq!(of(&store, "李医生").standing, Standing::Verified, "the other's stays");
}

#[test]
fn without_a_root_no_credential_is_taken() {
    let dir = tempfile::tempdir().expect("dir");
    let mut store = TrustStore::open(dir.path()).expect("opens");
    let token = claims(0, 365).issue(&key(20)).expect("issues");
    let refused = store.install_credential(&token, &this_device().public(), day(1));
    assert!(matches!(refused, Err(TrustError::NoRoot)));
    store.note_clock(day(5)).expect("nothing to note");
    assert!(!dir.path().join("trust.json").exists(), "evaluation leaves no trace");
}

#[test]
fn a_damaged_state_is_said_and_kept() {
    let dir = tempfile::tempdir().expect("dir");
    drop(device(dir.path()));
    let file = dir.path().join("trust.json");
    let text = std::fs::read(&file).expect("state");
    std::fs::write(&file, &text[..text.len() / 2]).expect("write");
    assert!(matches!(TrustStore::open(dir.path()), Err(TrustError::State)));
    assert_eq!(std::fs::read(&file).expect("state"), text[..text.len() / 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever the clock and whatever the store has seen, a case can be recorded, read about and triaged.
    #[test]
    fn capture_is_never_locked(clocks in proptest::collection::vec(-2 * YEARS_10..2 * YEARS_10, 1..6), with_root: bool, with_token: bool, revoked: bool) {
        let dir = tempfile::tempdir().expect("dir");
        let me = this_device().public();
        let mut store = if with_root { device(dir.path()) } else { TrustStore::open(dir.path()).expect("opens") };
        let mine = claims(0, 365);
        if with_token {
            let _ = store.install_credential(&mine.issue(&key(20)).expect("issues"), &me, day(clocks[0]));
        }
        if revoked {
            let (_, list) = Revocations::default().add(&[mine.jti], &key(20), day(2)).expect("adds");
            let _ = store.install_revocations(list.as_bytes());
        }
        for clock in clocks {
            store.note_clock(day(clock)).expect("notes");
            let standing = store.verdict(Some(&me), None, day(clock)).standing;
            for act in [Act::Capture, Act::Learn, Act::Urgency] {
                prop_assert_eq!(rule(standing, act), Ruling::Allowed);
            }
            prop_assert!(with_root || standing == Standing::NoAuthority);
        }
    }

    /// Garbled tokens and lists are refused without a panic.
    #[test]
    fn garbled_tokens_and_lists_are_refused(at in 0usize..1 << 16, to: u8, noise in ".{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let authority = role(&[20], 1);
        let claims = claims(0, 365);
        let mut token = claims.issue(&key(20)).expect("issues").into_bytes();
        let place = at % token.len();
        token[place] = to;
        if let Ok(credential) = Credential::open(&String::from_utf8_lossy(&token), &authority) {
            prop_assert_eq!(credential.claims, claims);
        }
        prop_assert!(Credential::open(&noise, &authority).is_err());
        let (list, text) = Revocations::default().add(&["a".repeat(32)], &key(20), Timestamp::UNIX_EPOCH).expect("adds");
        let mut text = text.into_bytes();
        let place = at % text.len();
        text[place] = to;
        if let Ok(read) = Revocations::open(&text, &authority) {
            prop_assert_eq!(read, list);
        }
        prop_assert!(Revocations::open(&bytes, &authority).is_err());
    }
}
