//! Sealed files: what goes in comes out on the right device alone, and every change is noticed.

mod support;

use barefoot_trust::{Claims, DeviceKeys, SealedReader, SealedWriter, TrustError, TrustStore, verify_sealed};
use proptest::prelude::*;
use support::{day, device, key};

fn keys(n: u8) -> DeviceKeys {
    DeviceKeys::derive(&[n; 32]).expect("keys")
}

fn sealed(chunks: &[Vec<u8>], to: &str, from: &DeviceKeys) -> Vec<u8> {
    let mut out = SealedWriter::new(Vec::new(), to).expect("begins");
    chunks.iter().for_each(|chunk| out.chunk(chunk).expect("writes"));
    out.finish(from, None, day(1)).expect("ends")
}

fn chunks_of(file: &[u8], keys: &DeviceKeys) -> Result<Vec<Vec<u8>>, TrustError> {
    let header = verify_sealed(file, keys)?;
    let mut reader = SealedReader::open(file, keys, &header)?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.chunk()? {
        all.push(chunk);
    }
    Ok(all)
}

#[test]
fn a_device_has_its_own_keys_and_always_the_same() {
    assert_eq!((keys(1).device(), keys(1).sealing()), (keys(1).device(), keys(1).sealing()));
    assert_ne!(keys(1).device(), keys(2).device());
    assert_ne!(keys(1).sealing(), keys(2).sealing());
    assert!(keys(1).sealing().starts_with("age1"));
}

#[test]
fn only_the_named_device_opens_it() {
    let file = sealed(&[b"a case".to_vec()], &keys(2).sealing(), &keys(1));
    assert_eq!(verify_sealed(file.as_slice(), &keys(2)).expect("opens").sender, keys(1).device());
    for other in [1, 3] {
        assert!(matches!(verify_sealed(file.as_slice(), &keys(other)), Err(TrustError::OtherRecipient)));
    }
    assert!(matches!(SealedWriter::new(Vec::new(), "age1nobody"), Err(TrustError::Key)));
    assert!(!file.windows(6).any(|w| w == b"a case"), "plaintext in the file");
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let chunks = vec![b"words".to_vec(), vec![7; 70_000]];
    let file = sealed(&chunks, &keys(2).sealing(), &keys(1));
    assert_eq!(chunks_of(&file, &keys(2)).expect("opens"), chunks);
    for at in (0..file.len()).step_by(97).chain(0..600).chain(file.len() - 400..file.len()) {
        let mut bad = file.clone();
        bad[at] ^= 1;
        assert!(verify_sealed(bad.as_slice(), &keys(2)).is_err(), "byte {at}");
        assert!(verify_sealed(&file[..at], &keys(2)).is_err(), "cut at {at}");
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(verify_sealed(longer.as_slice(), &keys(2)).is_err());
}

#[test]
fn a_sender_is_known_by_name_or_by_a_credential_that_counts() {
    let dir = tempfile::tempdir().expect("dir");
    let mut store = device(dir.path());
    let (sender, other) = (keys(1).device(), keys(3).device());
    assert!(!store.knows_sender(&sender, None, day(1)));
    let token = Claims::new("李医生", "", sender, day(0), 100).expect("claims").issue(&key(20)).expect("issues");
    assert!(store.knows_sender(&sender, Some(&token), day(1)));
    assert!(!store.knows_sender(&other, Some(&token), day(1)), "another's credential");
    assert!(!store.knows_sender(&sender, Some(&token), day(100)), "an expired one");
    store.add_sender(other).expect("adds");
    assert!(TrustStore::open(dir.path()).expect("opens").knows_sender(&other, None, day(1)));
}

#[test]
fn a_file_that_is_exchanged_after_it_was_checked_is_noticed() {
    let file = sealed(&[b"a case".to_vec()], &keys(2).sealing(), &keys(1));
    let other = sealed(&[b"a lie!".to_vec()], &keys(2).sealing(), &keys(3));
    let header = verify_sealed(file.as_slice(), &keys(2)).expect("whole");
    let mut reader = SealedReader::open(other.as_slice(), &keys(2), &header).expect("opens");
    assert!(reader.chunk().expect("reads").is_some());
    assert!(matches!(reader.chunk(), Err(TrustError::Damaged)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_goes_in_comes_out(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..3000), 1..6), at in 0usize..1 << 16, flip in 1u8.., noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let file = sealed(&chunks, &keys(2).sealing(), &keys(1));
        prop_assert_eq!(&chunks_of(&file, &keys(2)).expect("opens"), &chunks);
        let mut bad = file.clone();
        let place = at % bad.len();
        bad[place] ^= flip;
        prop_assert!(chunks_of(&bad, &keys(2)).is_err());
        prop_assert!(chunks_of(&noise, &keys(2)).is_err());
    }
}
