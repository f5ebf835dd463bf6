//! Several threads that walk one list of steps together.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a waiting thread looks before it lets others run: longer than a unit of work lasts.
const LOOKS: usize = 2_000;

/// How long a helper looks out for the next walk before it sleeps. Pictures come in pairs (a photo and its mirror image), and a sleeper may wake
/// on the core where the caller computes: it then does nothing until the scheduler moves it, which takes longer than a walk.
const AWAKE: Duration = Duration::from_micros(500);

/// Threads that sleep between two walks. The caller of a walk takes part in it; whoever comes late, because its core is slow or busy, finds
/// less to do and is not waited for.
#[derive(Debug)]
pub(crate) struct Crew {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// A walk is under way. A second one at the same time is done by its caller alone.
    busy: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    gate: Mutex<Gate>,
    /// How many jobs there have been, so that a helper enters each only once; changed under the gate's lock.
    jobs: AtomicU64,
    opened: Condvar,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    job: Option<Job>,
    /// Helpers that work at the job.
    inside: usize,
    /// A helper panicked at the job.
    broken: bool,
    closed: bool,
}

/// The work of the present walk, called with the helper's number.
#[derive(Clone, Copy)]
struct Job(*const (dyn Fn(usize) + Sync));

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

// SAFETY: what it points to is `Sync`, and `Visit` keeps it alive while any helper may call it.
unsafe impl Send for Job {}

impl Crew {
    /// `threads` with the caller; those that cannot be started are done without.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let helper = |number: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("barefoot-network".to_owned()).spawn(move || shared.help(number)).ok()
        };
        let helpers = (1..threads).filter_map(helper).collect();
        Self { shared, helpers, busy: AtomicBool::new(false) }
    }

    /// The most threads that a walk has.
    pub(crate) fn threads(&self) -> usize {
        1 + self.helpers.len()
    }

    /// Runs `unit(worker, step, unit)` once for each of `units[step]` units of all steps; a step begins when the one before it has ended, and
    /// no two threads have the same `worker` number.
    ///
    /// Each thread begins with a share of its own, the same part of every step, so that it finds in its cache what it wrote; then it helps
    /// the others, so that a slow core does less. `ended(step)` is called by the caller's thread after each step.
    pub(crate) fn walk(
        &self,
        units: &[usize],
        unit: impl Fn(usize, usize, usize) + Sync,
        ended: impl Fn(usize) + Sync,
    ) {
        if self.helpers.is_empty() || self.busy.swap(true, Ordering::Acquire) {
            for (step, &units) in units.iter().enumerate() {
                (0..units).for_each(|i| unit(0, step, i));
                ended(step);
            }
            return;
        }
        let list = List::new(units, self.threads());
        let ended = |worker: usize, step: usize| {
            if worker == 0 {
                ended(step)
            }
        };
        let work = |worker: usize| list.work(worker, |step, i| unit(worker, step, i), |step| ended(worker, step));
        let visit = Visit::open(self, &work);
        work(0);
        drop(visit);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.gate().closed = true;
        self.shared.opened.notify_all();
        for helper in self.helpers.drain(..) {
            // A helper catches its panics.
            let _ = helper.join();
        }
    }
}

impl Shared {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A helper's life.
    fn help(&self, number: usize) {
        let mut seen = 0;
        let mut gate = self.gate();
        while !gate.closed {
            let jobs = self.jobs.load(Ordering::Relaxed);
            let Some(Job(work)) = gate.job.filter(|_| jobs != seen) else {
                gate = self.opened.wait(gate).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            seen = jobs;
            gate.inside += 1;
            drop(gate);
            // SAFETY: the job is there and `inside` counts this helper, so `Visit` still waits and the work is alive.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe { (*work)(number) }));
            gate = self.gate();
            gate.inside -= 1;
            gate.broken |= outcome.is_err();
            if gate.inside == 0 {
                self.left.notify_all();
            }
            drop(gate);
            let ended = Instant::now();
            while self.jobs.load(Ordering::Relaxed) == seen && ended.elapsed() < AWAKE {
                (0..32).for_each(|_| std::hint::spin_loop());
            }
            gate = self.gate();
        }
    }
}

/// The time in which helpers may enter; its end waits for those inside, also when the caller's own share panics.
struct Visit<'a>(&'a Crew);

impl<'a> Visit<'a> {
    fn open(crew: &'a Crew, work: &'a (dyn Fn(usize) + Sync)) -> Self {
        // SAFETY: only the lifetime changes; `drop` takes the job back and waits for all who entered, before `'a` can end.
        let work = unsafe { std::mem::transmute::<&'a (dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        let mut gate = crew.shared.gate();
        gate.job = Some(Job(work));
        crew.shared.jobs.fetch_add(1, Ordering::Relaxed);
        gate.broken = false;
        drop(gate);
        crew.shared.opened.notify_all();
        Self(crew)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut gate = self.0.shared.gate();
        gate.job = None;
        while gate.inside > 0 {
            gate = self.0.shared.left.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        let broken = gate.broken;
        drop(gate);
        self.0.busy.store(false, Ordering::Release);
        assert!(!broken || std::thread::panicking(), "another thread of the forward pass has panicked");
    }
}

/// The units of all steps, and who has taken which.
struct List<'a> {
    units: &'a [usize],
    threads: usize,
    /// By step and owner: the next unit of the owner's share.
    claims: Vec<AtomicUsize>,
    /// By step: units that are done.
    done: Vec<AtomicUsize>,
    broken: AtomicBool,
}

impl<'a> List<'a> {
    fn new(units: &'a [usize], threads: usize) -> Self {
        let first = |&n: &usize| (0..threads).map(move |owner| AtomicUsize::new(n * owner / threads));
        Self {
            units,
            threads,
            claims: units.iter().flat_map(first).collect(),
            done: units.iter().map(|_| AtomicUsize::new(0)).collect(),
            broken: AtomicBool::new(false),
        }
    }

    /// Takes part from the first step to the last.
    fn work(&self, worker: usize, unit: impl Fn(usize, usize), ended: impl Fn(usize)) {
        let _guard = BreakOnPanic(&self.broken);
        for (step, (&units, done)) in self.units.iter().zip(&self.done).enumerate() {
            let mut mine = 0;
            for owner in (0..self.threads).map(|i| (worker + i) % self.threads) {
                let end = units * (owner + 1) / self.threads;
                let claim = &self.claims[step * self.threads + owner];
                // Looked at first, so that the line stays shared when there is nothing to take.
                while claim.load(Ordering::Relaxed) < end {
                    let i = claim.fetch_add(1, Ordering::Relaxed);
                    if i >= end {
                        break;
                    }
                    unit(step, i);
                    mine += 1;
                }
            }
            // What a thread wrote in the step is seen by all after it: its addition releases it, and whoever sees the full count acquires all.
            let mut looks = 0;
            let mut count = done.fetch_add(mine, Ordering::AcqRel) + mine;
            while count < units {
                assert!(!self.broken.load(Ordering::Relaxed), "another thread of the forward pass has panicked");
                looks += 1;
                if looks < LOOKS {
                    std::hint::spin_loop()
                } else {
                    std::thread::yield_now()
                }
                count = done.load(Ordering::Acquire);
            }
            ended(step);
        }
    }
}

/// Lets the others stop waiting for a thread that panics.
struct BreakOnPanic<'a>(&'a AtomicBool);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_runs_once_and_steps_do_not_overlap() {
        for threads in [1, 2, 5] {
            let crew = Crew::new(threads);
            for units in [vec![7, 0, 1, 30, 2], vec![3], vec![]] {
                let ran: Vec<Vec<AtomicUsize>> =
                    units.iter().map(|&n| (0..n).map(|_| AtomicUsize::new(0)).collect()).collect();
                let ended = AtomicUsize::new(0);
                crew.walk(
                    &units,
                    |worker, step, i| {
                        assert!(worker < crew.threads());
                        for earlier in &ran[..step] {
                            assert!(earlier.iter().all(|n| n.load(Ordering::Relaxed) == 1));
                        }
                        ran[step][i].fetch_add(1, Ordering::Relaxed);
                    },
                    |step| {
                        let ended = ended.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(ended, step);
                        assert!(ran[step].iter().all(|n| n.load(Ordering::Relaxed) == 1));
                    },
                );
                assert_eq!(ended.into_inner(), units.len());
                assert!(ran.iter().flatten().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn walks_at_the_same_time_do_not_mix() {
        let crew = Crew::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        crew.walk(
                            &[4, 4],
                            |_, step, i| {
                                sum.fetch_add(10 * step + i, Ordering::Relaxed);
                            },
                            |_| {},
                        );
                        assert_eq!(sum.into_inner(), 52);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_in_one_thread_does_not_hang_the_others_and_the_crew_goes_on() {
        let crew = Crew::new(3);
        for _ in 0..20 {
            let walk = || crew.walk(&[3, 3], |_, _, i| assert_ne!(i, 1, "as the test wants"), |_| {});
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(walk)).is_err());
        }
        let ran = AtomicUsize::new(0);
        crew.walk(
            &[9],
            |_, _, _| {
                ran.fetch_add(1, Ordering::Relaxed);
            },
            |_| {},
        );
        assert_eq!(ran.into_inner(), 9);
    }
}
