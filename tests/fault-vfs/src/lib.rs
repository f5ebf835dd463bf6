//! A file system and an allocator for SQLite that misbehave on demand. Tests only.
//!
//! `install` puts a VFS over the default one. It passes every call on, writes a log of what was written and synced, and can let the
//! Nth call, or the Nth allocation, fail. [`power_cut`] makes of such a log what a disk could hold after the power went: what was synced,
//! and of the rest any sectors, torn at 512 bytes.
//!
//! One per process: tests that use it lie in a binary of their own and take turns by [`turn`].

use rusqlite::ffi;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// A sector, the unit in which a disk writes all or nothing.
const SECTOR: usize = 512;

/// What reached the file system.
#[derive(Debug, Clone)]
pub enum Op {
    /// Bytes at an offset.
    Write {
        /// The file's name without its folder.
        file: String,
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A new length.
    Truncate {
        /// The file's name without its folder.
        file: String,
        /// Bytes.
        size: u64,
    },
    /// Everything before is on the disk.
    Sync {
        /// The file's name without its folder.
        file: String,
    },
    /// The file is gone; durable when the folder was synced with it.
    Delete {
        /// The file's name without its folder.
        file: String,
        /// The folder was synced.
        durable: bool,
    },
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every call: an I/O error.
    Io,
    /// Calls that write: the disk is full.
    Full,
    /// Calls that write: the disk was mounted read-only.
    ReadOnly,
}

struct Plan {
    log: Option<Vec<Op>>,
    fault: Fault,
    stays: bool,
}

static PLAN: Mutex<Plan> = Mutex::new(Plan { log: None, fault: Fault::Io, stays: false });
/// Calls left until one fails; negative when none shall.
static CALLS_LEFT: AtomicI64 = AtomicI64::new(-1);
static ALLOCATIONS_LEFT: AtomicI64 = AtomicI64::new(-1);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);
static STRUCK: AtomicBool = AtomicBool::new(false);
static REAL: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());
static REAL_MEMORY: AtomicPtr<ffi::sqlite3_mem_methods> = AtomicPtr::new(ptr::null_mut());
static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test uses the VFS; installs it on first use.
pub fn turn() -> MutexGuard<'static, ()> {
    static ONCE: Once = Once::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(install);
    heal();
    turn
}

/// Begins a new log.
pub fn record() {
    plan().log = Some(Vec::new());
}

/// How many entries the log has.
pub fn recorded() -> usize {
    plan().log.as_ref().map_or(0, Vec::len)
}

/// Ends the log.
pub fn recording() -> Vec<Op> {
    plan().log.take().unwrap_or_default()
}

/// Lets the `nth` call from now (from 0) fail, and with `stays` all that follow.
pub fn fail_call(nth: u64, fault: Fault, stays: bool) {
    let mut plan = plan();
    plan.fault = fault;
    plan.stays = stays;
    STRUCK.store(false, Ordering::SeqCst);
    CALLS_LEFT.store(nth as i64, Ordering::SeqCst);
}

/// Lets the `nth` allocation of SQLite from now (from 0) fail.
pub fn fail_allocation(nth: u64) {
    STRUCK.store(false, Ordering::SeqCst);
    ALLOCATIONS_LEFT.store(nth as i64, Ordering::SeqCst);
}

/// Nothing fails any more; true when something had.
pub fn heal() -> bool {
    CALLS_LEFT.store(-1, Ordering::SeqCst);
    ALLOCATIONS_LEFT.store(-1, Ordering::SeqCst);
    STRUCK.swap(false, Ordering::SeqCst)
}

/// File calls and allocations so far.
pub fn counts() -> (u64, u64) {
    (CALLS.load(Ordering::SeqCst), ALLOCATIONS.load(Ordering::SeqCst))
}

/// What the files could hold when the power went after `ops`, by name; `None` for a file that is gone. `dice` gives random numbers below
/// its argument.
pub fn power_cut(ops: &[Op], mut dice: impl FnMut(u64) -> u64) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut disk: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    let mut unsynced: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for op in ops {
        match op {
            Op::Write { file, .. } | Op::Truncate { file, .. } | Op::Delete { file, durable: false } => {
                unsynced.entry(file).or_default().push(op);
            }
            Op::Sync { file } => {
                let content = disk.entry(file.clone()).or_default().get_or_insert_with(Vec::new);
                for op in unsynced.remove(file.as_str()).unwrap_or_default() {
                    apply(content, op, |_| true);
                }
            }
            Op::Delete { file, durable: true } => {
                unsynced.remove(file.as_str());
                disk.insert(file.clone(), None);
            }
        }
    }
    for (file, ops) in unsynced {
        let mut content = disk.get(file).cloned().flatten();
        // Nothing, all, or any sectors of what was not synced.
        let mood = dice(4);
        for op in ops {
            if matches!(op, Op::Delete { .. }) {
                if dice(2) == 0 {
                    content = None;
                }
            } else {
                apply(content.get_or_insert_with(Vec::new), op, |_| match mood {
                    0 => false,
                    1 => true,
                    _ => dice(2) == 0,
                });
            }
        }
        disk.insert(file.to_owned(), content);
    }
    disk
}

/// Writes the files of [`power_cut`] into a folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn lay_out(disk: &BTreeMap<String, Option<Vec<u8>>>, folder: &Path) -> std::io::Result<()> {
    for (name, content) in disk {
        match content {
            Some(content) => std::fs::write(folder.join(name), content)?,
            None => drop(std::fs::remove_file(folder.join(name))),
        }
    }
    Ok(())
}

fn apply(content: &mut Vec<u8>, op: &Op, mut kept: impl FnMut(u64) -> bool) {
    match op {
        Op::Write { offset, bytes, .. } => {
            let mut at = 0;
            while at < bytes.len() {
                let place = *offset as usize + at;
                let room = SECTOR - place % SECTOR;
                let end = (at + room).min(bytes.len());
                if kept((place / SECTOR) as u64) {
                    if content.len() < place + end - at {
                        content.resize(place + end - at, 0);
                    }
                    content[place..place + end - at].copy_from_slice(&bytes[at..end]);
                }
                at = end;
            }
        }
        Op::Truncate { size, .. } if kept(0) => content.resize(*size as usize, 0),
        _ => {}
    }
}

fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a call; the code with which it shall fail.
fn struck(writes: bool) -> Option<c_int> {
    CALLS.fetch_add(1, Ordering::SeqCst);
    let left = CALLS_LEFT.load(Ordering::SeqCst);
    if left < 0 {
        return None;
    }
    let plan = plan();
    if !writes && plan.fault != Fault::Io {
        return None;
    }
    if left > 0 {
        CALLS_LEFT.store(left - 1, Ordering::SeqCst);
        return None;
    }
    CALLS_LEFT.store(if plan.stays { 0 } else { -1 }, Ordering::SeqCst);
    STRUCK.store(true, Ordering::SeqCst);
    Some(match plan.fault {
        Fault::Io => ffi::SQLITE_IOERR,
        Fault::Full => ffi::SQLITE_FULL,
        Fault::ReadOnly => ffi::SQLITE_READONLY,
    })
}

fn note(op: impl FnOnce() -> Op) {
    if let Some(log) = &mut plan().log {
        log.push(op());
    }
}

/// SQLite allocates `szOsFile` bytes for an open file: this head, then the real VFS's own file.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    name: *mut String,
}

fn install() {
    let mut methods = ffi::sqlite3_mem_methods {
        xMalloc: None,
        xFree: None,
        xRealloc: None,
        xSize: None,
        xRoundup: None,
        xInit: None,
        xShutdown: None,
        pAppData: ptr::null_mut(),
    };
    // SAFETY: called once, before any other call to SQLite in this process; the pointers are valid for the calls, SQLite copies the table.
    unsafe {
        ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods);
        REAL_MEMORY.store(Box::into_raw(Box::new(methods)), Ordering::SeqCst);
        methods.xMalloc = Some(allocate);
        methods.xRealloc = Some(reallocate);
        assert_eq!(
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw mut methods),
            ffi::SQLITE_OK,
            "SQLite was used before turn()"
        );
    }
    // SAFETY: the default VFS lives as long as the process; its copy is leaked, so it does too.
    unsafe {
        ffi::sqlite3_initialize();
        let real = ffi::sqlite3_vfs_find(ptr::null());
        REAL.store(real, Ordering::SeqCst);
        let mut ours = Box::new(*real);
        ours.szOsFile = size_of::<File>() as c_int + (*real).szOsFile;
        ours.zName = c"fault".as_ptr();
        ours.pNext = ptr::null_mut();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        ffi::sqlite3_vfs_register(Box::into_raw(ours), 1);
    }
}

fn allocation_fails() -> bool {
    ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
    let left = ALLOCATIONS_LEFT.load(Ordering::SeqCst);
    if left >= 0 {
        ALLOCATIONS_LEFT.store(left - 1, Ordering::SeqCst);
        if left == 0 {
            STRUCK.store(true, Ordering::SeqCst);
        }
    }
    left == 0
}

unsafe extern "C" fn allocate(size: c_int) -> *mut c_void {
    if allocation_fails() {
        return ptr::null_mut();
    }
    // SAFETY: set in `install`, never changed; SQLite's own default allocator takes what SQLite gives.
    unsafe { (*REAL_MEMORY.load(Ordering::SeqCst)).xMalloc.map_or(ptr::null_mut(), |f| f(size)) }
}

unsafe extern "C" fn reallocate(old: *mut c_void, size: c_int) -> *mut c_void {
    if allocation_fails() {
        return ptr::null_mut();
    }
    // SAFETY: as in `allocate`.
    unsafe { (*REAL_MEMORY.load(Ordering::SeqCst)).xRealloc.map_or(ptr::null_mut(), |f| f(old, size)) }
}

/// The real VFS's file behind ours.
///
/// # Safety
/// `file` is one that [`open`] filled.
unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite allocated `szOsFile` bytes, which are both.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// # Safety
/// As for [`real`].
unsafe fn name(file: *mut ffi::sqlite3_file) -> String {
    // SAFETY: `open` put a leaked String there, `close` takes it back last.
    unsafe { (*(*file.cast::<File>()).name).clone() }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a file of `szOsFile` bytes and a path that is NUL-terminated or null.
    unsafe {
        (*file).pMethods = ptr::null();
        if let Some(code) = struck(false) {
            return code;
        }
        let vfs = REAL.load(Ordering::SeqCst);
        let code = (*vfs).xOpen.map_or(ffi::SQLITE_ERROR, |f| f(vfs, path, real(file), flags, out));
        if code == ffi::SQLITE_OK {
            (*file.cast::<File>()).name = Box::into_raw(Box::new(base_name(path)));
            (*file).pMethods = &raw const METHODS.0;
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    if let Some(code) = struck(true) {
        return code;
    }
    let vfs = REAL.load(Ordering::SeqCst);
    // SAFETY: the arguments are SQLite's own, passed on.
    let code = unsafe { (*vfs).xDelete.map_or(ffi::SQLITE_ERROR, |f| f(vfs, path, sync)) };
    // SAFETY: SQLite's path is NUL-terminated.
    let file = unsafe { base_name(path) };
    note(|| Op::Delete { file, durable: sync != 0 });
    code
}

/// # Safety
/// `path` is null or NUL-terminated.
unsafe fn base_name(path: *const c_char) -> String {
    if path.is_null() {
        return String::new();
    }
    // SAFETY: by contract.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Passes a file call on to the real VFS.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: `$file` was filled by `open`, whose real file has the real VFS's methods; the arguments are SQLite's own.
        unsafe {
            let real = real($file);
            match (*(*real).pMethods).$method {
                Some(method) => method(real $(, $argument)*),
                None => ffi::SQLITE_ERROR,
            }
        }
    }};
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let code = pass!(file, xClose);
    // SAFETY: the last use of what `open` leaked.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).name) });
    code
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, n: c_int, at: i64) -> c_int {
    match struck(false) {
        Some(_) => ffi::SQLITE_IOERR_READ,
        None => pass!(file, xRead, to, n, at),
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, n: c_int, at: i64) -> c_int {
    if let Some(code) = struck(true) {
        return code;
    }
    // SAFETY: SQLite gives `n` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), n as usize) };
    // SAFETY: the file is open.
    let file_name = unsafe { name(file) };
    note(|| Op::Write { file: file_name, offset: at as u64, bytes: bytes.to_vec() });
    pass!(file, xWrite, from, n, at)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    if let Some(code) = struck(true) {
        return code;
    }
    // SAFETY: the file is open.
    let file_name = unsafe { name(file) };
    note(|| Op::Truncate { file: file_name, size: size as u64 });
    pass!(file, xTruncate, size)
}

// No sync reaches the real disk: what is durable is reckoned from the log.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    if let Some(code) = struck(true) {
        return code;
    }
    // SAFETY: the file is open.
    let file_name = unsafe { name(file) };
    note(|| Op::Sync { file: file_name });
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    match struck(false) {
        Some(_) => ffi::SQLITE_IOERR_FSTAT,
        None => pass!(file, xFileSize, out),
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xUnlock, level)
}

unsafe extern "C" fn check_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn control(file: *mut ffi::sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    pass!(file, xFileControl, op, arg)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xSectorSize)
}

unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    // The real file system's promises (safe append, powersafe overwrite) are not kept here.
    0
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    match struck(false) {
        Some(_) => ffi::SQLITE_IOERR_SHMMAP,
        None => pass!(file, xShmMap, page, size, extend, out),
    }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, at: c_int, n: c_int, flags: c_int) -> c_int {
    pass!(file, xShmLock, at, n, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as in `pass!`.
    unsafe {
        let real = real(file);
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    pass!(file, xShmUnmap, delete)
}

struct Methods(ffi::sqlite3_io_methods);

// SAFETY: a table of function pointers that nobody writes to.
unsafe impl Sync for Methods {}

/// Version 2: with shared memory for the WAL, without memory-mapped reading, so that every read is seen.
static METHODS: Methods = Methods(ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
});
