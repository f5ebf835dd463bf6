//! The first opens of a process, from many threads at once: a race in SQLCipher's start-up (core/clinic/src/database.rs).
//! Alone in its file, because only the first open of a process can show it.

use barefoot_clinic::{Clinic, FileVault, Unlock};
use std::sync::Barrier;

#[test]
fn many_threads_open_their_first_store_at_once() {
    let dir = tempfile::tempdir().expect("dir");
    let start = Barrier::new(16);
    std::thread::scope(|scope| {
        for i in 0..16 {
            let (folder, start) = (dir.path().join(i.to_string()), &start);
            scope.spawn(move || {
                start.wait();
                Clinic::open(&folder.join("data"), &FileVault::new(folder.join("key")), Unlock::Device).expect("opens");
            });
        }
    });
}
