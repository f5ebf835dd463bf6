//! One peer's process, and the lines it obeys (tests/peers/src/main.rs lists them).

use crate::tools::Outcome;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A resident worker; killed when dropped.
pub(super) struct Worker {
    name: &'static str,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    started: Instant,
    /// From the start of the process until its libraries were there.
    pub imported: Duration,
    /// Its peak memory then, KiB.
    pub idle_kib: u64,
}

impl Worker {
    /// Starts `program`, held to as many cores as it may use threads, and waits for its imports.
    pub fn start(name: &'static str, program: &[&Path], threads: usize) -> Outcome<Self> {
        let cores = (0..threads).map(|core| core.to_string()).collect::<Vec<_>>().join(",");
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &cores]).args(program).arg(name);
        command.envs(["RAYON_NUM_THREADS", "OMP_NUM_THREADS"].map(|variable| (variable, threads.to_string())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("taskset does not start: {error}"))?;
        let commands = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut worker = Self { name, child, commands, answers, started, imported: Duration::ZERO, idle_kib: 0 };
        worker.read("imported")?;
        worker.imported = worker.started.elapsed();
        Ok(worker)
    }

    /// Loads the model of a folder.
    pub fn load(&mut self, folder: &Path, threads: usize) -> Outcome<()> {
        self.ask(&format!("load {} {threads}", folder.display()), "loaded").map(|_| ())
    }

    /// The logits of every input of a file, one after the other.
    pub fn answer(&mut self, file: &Path) -> Outcome<Vec<f64>> {
        numbers(&self.ask(&format!("answer {}", file.display()), "values")?)
    }

    /// Milliseconds of each of `runs` answers.
    pub fn run(&mut self, runs: usize) -> Outcome<Vec<f64>> {
        Ok(numbers(&self.ask(&format!("run {runs}"), "times")?)?.into_iter().map(|ns| ns / 1e6).collect())
    }

    /// Peak resident set, KiB.
    pub fn peak_kib(&mut self) -> Outcome<u64> {
        Ok(self.ask("memory", "memory")?.trim().parse()?)
    }

    /// Since the process was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    fn ask(&mut self, line: &str, answer: &str) -> Outcome<String> {
        writeln!(self.commands, "{line}")?;
        self.commands.flush()?;
        self.read(answer)
    }

    fn read(&mut self, answer: &str) -> Outcome<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let rest = line.trim_end().strip_prefix(answer);
        rest.map(str::to_owned).ok_or_else(|| format!("{} ended or said `{}`", self.name, line.trim_end()).into())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn numbers(text: &str) -> Outcome<Vec<f64>> {
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
