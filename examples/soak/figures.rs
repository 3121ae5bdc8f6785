use std::fs;

/// The resources that a process uses, as the system reports them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    pub(crate) resident_kib: u64,
}

impl Figures {
    pub(crate) const HEAD: &str = "                 threads  descriptors  resident KiB";

    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or_default()
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
        Self {
            threads: number("Threads:"),
            descriptors: descriptors as u64,
            resident_kib: number("VmRSS:"),
        }
    }

    pub(crate) fn row(&self, name: &str) -> String {
        let Self { threads, descriptors, resident_kib } = self;
        format!("{name:>15}  {threads:>7}  {descriptors:>11}  {resident_kib:>12}")
    }

    /// Returns whether no more threads and descriptors are in use than before the first client.
    pub(crate) fn is_as_quiet_as(&self, fresh: &Self) -> bool {
        self.threads <= fresh.threads && self.descriptors <= fresh.descriptors
    }

    /// Checks that memory has not grown since the middle, and that under load it has not grown from
    /// the first quarter to the last.
    pub(crate) fn verify(
        &self,
        middle: &Self,
        samples: &[Self],
        tolerance_kib: u64,
    ) -> Result<(), String> {
        let (before, after) = (middle.resident_kib, self.resident_kib);
        if after > before + tolerance_kib {
            return Err(format!("memory has grown from {before} to {after} KiB"));
        }
        let quarter = samples.len() / 4;
        let most = |part: &[Self]| part.iter().map(|sample| sample.resident_kib).max().unwrap_or(0);
        let (first, last) = (most(&samples[..quarter]), most(&samples[samples.len() - quarter..]));
        if last > first + first / 2 + tolerance_kib {
            return Err(format!("memory grows under load, from {first} to {last} KiB"));
        }
        Ok(())
    }
}
