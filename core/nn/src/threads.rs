//! Several threads that walk one list of steps together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a waiting thread looks before it lets others run: longer than a step lasts on an idle machine.
const LOOKS: usize = 20_000;

/// Runs `unit(worker, step, unit)` for all units of all steps, on `threads` threads; a step begins when the one before it has ended.
///
/// Threads are started for one walk: some microseconds against milliseconds, and none is left to look after. Each begins with a share of its
/// own, the same part of every step, so that it finds in its cache what it wrote; then it helps the others, so that a slow core does less.
pub(crate) fn walk(threads: usize, units: &[usize], unit: impl Fn(usize, usize, usize) + Sync) {
    if threads <= 1 {
        for (step, &units) in units.iter().enumerate() {
            (0..units).for_each(|i| unit(0, step, i));
        }
        return;
    }
    let share = |units: usize, owner: usize| units * owner / threads..units * (owner + 1) / threads;
    let claims: Vec<AtomicUsize> =
        units.iter().flat_map(|&n| (0..threads).map(move |owner| AtomicUsize::new(share(n, owner).start))).collect();
    let meeting =
        Meeting { threads, arrived: AtomicUsize::new(0), passed: AtomicUsize::new(0), broken: AtomicBool::new(false) };
    let work = &|worker: usize| {
        let _guard = BreakOnPanic(&meeting);
        for (step, &units) in units.iter().enumerate() {
            for owner in (0..threads).map(|i| (worker + i) % threads) {
                let end = share(units, owner).end;
                loop {
                    let i = claims[step * threads + owner].fetch_add(1, Ordering::Relaxed);
                    if i >= end {
                        break;
                    }
                    unit(worker, step, i);
                }
            }
            meeting.wait(step);
        }
    };
    std::thread::scope(|scope| {
        for worker in 1..threads {
            scope.spawn(move || work(worker));
        }
        work(0);
    });
}

/// Where threads wait for each other after each step.
struct Meeting {
    threads: usize,
    arrived: AtomicUsize,
    /// Steps that all have ended.
    passed: AtomicUsize,
    broken: AtomicBool,
}

impl Meeting {
    fn wait(&self, step: usize) {
        // What a thread wrote in the step is seen by all after it: everyone's arrival is released into `arrived`, whose last visitor acquires
        // all of them and releases them on through `passed`.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads * (step + 1) {
            self.passed.store(step + 1, Ordering::Release);
            return;
        }
        let mut looks = 0;
        while self.passed.load(Ordering::Acquire) <= step {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread of the forward pass has panicked");
            looks += 1;
            if looks < LOOKS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// Lets the others stop waiting for a thread that panics.
struct BreakOnPanic<'a>(&'a Meeting);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_runs_once_and_steps_do_not_overlap() {
        for threads in [1, 2, 5] {
            let units = [7, 0, 1, 30, 2];
            let ran: Vec<Vec<AtomicUsize>> =
                units.iter().map(|&n| (0..n).map(|_| AtomicUsize::new(0)).collect()).collect();
            walk(threads, &units, |_, step, i| {
                for earlier in &ran[..step] {
                    assert!(earlier.iter().all(|n| n.load(Ordering::Relaxed) == 1));
                }
                ran[step][i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(ran.iter().flatten().all(|n| n.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    #[should_panic]
    fn a_panic_in_one_thread_does_not_hang_the_others() {
        walk(3, &[3, 3], |_, _, i| assert_ne!(i, 1));
    }
}
