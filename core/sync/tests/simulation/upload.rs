//! Row 5: an upload cut at each 1 KiB and at the edges of its chunks, the phone killed at some of them.

use crate::Dice;
use crate::phone::{Phone, photo_bytes};
use crate::server::{FHIR, FILES, Server};
use barefoot_sync::{Lost, Net, Options, Photos, Request, Response, Session};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// As in src/photos.rs.
const CHUNK: usize = 64 * 1024;

/// Cuts the connection whenever the uploads together reach the next of these many bytes; every third time the phone is killed too.
struct Cutter<'a> {
    server: &'a RefCell<Server>,
    cuts: Vec<usize>,
    uploaded: usize,
    done: usize,
    dead: bool,
    now: Duration,
}

impl Net for Cutter<'_> {
    fn send(&mut self, request: &Request) -> Result<Response, Lost> {
        if self.dead {
            return Err(Lost::Stopped);
        }
        self.now += Duration::from_millis(100);
        let mut arrived = request.body.len();
        let cut = (request.method == "PATCH")
            .then(|| self.cuts.last().filter(|cut| **cut <= self.uploaded + arrived).map(|cut| cut - self.uploaded))
            .flatten();
        if let Some(cut) = cut {
            arrived = cut;
            self.cuts.pop();
            self.done += 1;
            self.dead = self.done.is_multiple_of(3);
        }
        if request.method == "PATCH" {
            self.uploaded += arrived;
        }
        let answer = self.server.borrow_mut().handle(request, arrived);
        if cut.is_some() { Err(Lost::Broken) } else { Ok(answer) }
    }

    fn wait(&mut self, pause: Duration) -> Result<(), Lost> {
        self.now += pause;
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn bytes(&self) -> u64 {
        0
    }
}

fn options() -> Options {
    Options {
        server: FHIR.to_owned(),
        files: Some(FILES.to_owned()),
        photos: Photos::All,
        patience: Duration::from_secs(600),
    }
}

/// Uploads one photo through these cuts; how many bytes arrived and how many cuts there were.
fn upload(photo: &[u8], cuts: &[usize], checks_sums: bool) -> (usize, usize) {
    let phone = Phone(Rc::default());
    phone.0.borrow_mut().add_case("", photo);
    let mut server = Server::new();
    server.checks_sums = checks_sums;
    let server = RefCell::new(server);
    let options = options();
    let mut cuts: Vec<usize> = cuts.to_vec();
    cuts.sort_unstable_by(|a, b| b.cmp(a));
    let total = cuts.len();
    let (mut uploaded, mut done) = (0, 0);
    for _ in 0..total + 2 {
        let mut net = Cutter { server: &server, cuts, uploaded, done, dead: false, now: Duration::ZERO };
        let result = Session::new(&mut phone.clone(), &mut net, &options, &mut |_| {}).run();
        (cuts, uploaded, done) = (net.cuts, net.uploaded, net.done);
        if result.is_ok() {
            break;
        }
    }
    let server = server.borrow();
    let (_, upload) = server.uploads.iter().next().expect("one upload");
    assert_eq!(server.uploads.len(), 1, "begun twice");
    assert!(upload.bytes == photo, "not the photo that was taken");
    assert!(phone.0.borrow().outbox.iter().all(|row| row.state == "sent"));
    (upload.received, done)
}

#[test]
fn a_photo_survives_a_cut_at_every_kibibyte_and_chunk_edge() {
    let length = 200 * 1024 + 77;
    let photo = photo_bytes(1, length);
    let edges = (0..=length / CHUNK).flat_map(|n| [n * CHUNK, n * CHUNK + 1, (n * CHUNK).saturating_sub(1)]);
    for cut in (0..length).step_by(1024).chain(edges).chain([length - 1, length]) {
        for checks_sums in [false, true] {
            let (received, cuts) = upload(&photo, &[cut.min(length)], checks_sums);
            assert!(received <= length + cuts * CHUNK, "cut at {cut}: {received} bytes for {length}");
        }
    }
}

#[test]
fn a_photo_survives_fifty_cuts_with_at_most_one_chunk_sent_twice_for_each() {
    let photo = photo_bytes(2, 300_000);
    let mut dice = Dice(5);
    let cuts: Vec<usize> = (0..50).map(|_| dice.below(300_000) as usize).collect();
    for checks_sums in [false, true] {
        let (received, done) = upload(&photo, &cuts, checks_sums);
        assert!(done >= 50 - 5, "{done} cuts");
        assert!(received <= photo.len() + done * CHUNK);
    }
}

/// A good network that notes when previews and photos begin.
struct Watcher<'a> {
    server: &'a RefCell<Server>,
    cases: usize,
    previews: usize,
    photos: usize,
}

impl Net for Watcher<'_> {
    fn send(&mut self, request: &Request) -> Result<Response, Lost> {
        let mut server = self.server.borrow_mut();
        let is_preview = request.url.ends_with("-preview");
        if is_preview || request.url.starts_with(FILES) {
            let of_kind = |kind: &str| server.resources.keys().filter(|reference| reference.starts_with(kind)).count();
            assert_eq!((of_kind("Encounter/"), of_kind("DocumentReference/")), (self.cases, self.cases), "text first");
        }
        if request.url.starts_with(FILES) {
            assert_eq!(server.binaries.len(), self.previews, "previews before photos");
        }
        self.photos += usize::from(request.method == "PATCH");
        Ok(server.handle(request, request.body.len()))
    }

    fn wait(&mut self, _: Duration) -> Result<(), Lost> {
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn bytes(&self) -> u64 {
        0
    }
}

#[test]
fn text_goes_before_previews_and_previews_before_photos() {
    for (photos, previews, patches) in [(Photos::All, 30, 60), (Photos::Previews, 30, 0), (Photos::None, 0, 0)] {
        let phone = Phone(Rc::default());
        for case in 0..30 {
            phone.0.borrow_mut().add_case(&case.to_string(), &photo_bytes(case, CHUNK + 1));
        }
        let server = RefCell::new(Server::new());
        let mut net = Watcher { server: &server, cases: 30, previews, photos: 0 };
        let options = Options { photos, ..options() };
        let report = Session::new(&mut phone.clone(), &mut net, &options, &mut |_| {}).run().expect("syncs");
        assert_eq!((net.photos, server.borrow().binaries.len()), (patches, previews));
        // What was not to be sent waits.
        assert_eq!(report.waiting, if photos == Photos::All { 0 } else { 30 });
    }
}
