//! Child processes, each in a process group of its own, so that it ends with its children.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;

/// The process groups that were started and have not been killed.
static GROUPS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A program that runs. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Result<Self, Failure> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child =
            command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        lock(&GROUPS).push(child.id());
        let (out, err) = (Arc::default(), Arc::default());
        let readers = [
            child.stdout.take().map(|pipe| read(pipe, Arc::clone(&out))),
            child.stderr.take().map(|pipe| read(pipe, Arc::clone(&err))),
        ];
        Ok(Self { child, out, err, readers: readers.into_iter().flatten().collect() })
    }

    /// Waits for the program to end, and for the last of its output.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        let begin = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.kill();
                    self.readers.drain(..).for_each(|reader| drop(reader.join()));
                    return Ok(status);
                }
                Ok(None) if begin.elapsed() < limit => thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(format!("the process is not over after {limit:?}")),
                Err(error) => return Err(format!("cannot wait for the process: {error}")),
            }
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn kill(&self) {
        let id = self.child.id();
        let mut groups = lock(&GROUPS);
        if let Some(index) = groups.iter().position(|group| *group == id) {
            groups.swap_remove(index);
            kill_group(id);
        }
    }

    pub(crate) fn out(&self) -> String {
        lock(&self.out).clone()
    }

    /// Returns the last lines of output, for the report of a failure.
    pub(crate) fn printed(&self) -> String {
        let (out, err) = (lock(&self.out), lock(&self.err));
        let lines: Vec<&str> = out.lines().chain(err.lines()).collect();
        let last = lines.iter().skip(lines.len().saturating_sub(12));
        last.map(|line| format!("\n      | {}", line.chars().take(300).collect::<String>()))
            .collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// Kills all programs.
pub(crate) fn kill_all() {
    lock(&GROUPS).drain(..).for_each(kill_group);
}

fn kill_group(id: u32) {
    let mut kill = Command::new("kill");
    kill.args(["-KILL", "--", &format!("-{id}")]).stderr(Stdio::null());
    let _ = kill.status();
}

/// Collects output, so that the program never waits for a reader.
fn read(pipe: impl Read + Send + 'static, text: Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
            lock(&text).push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
