use std::time::Duration;

/// Counts of latencies, each to within two percent.
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

/// The number of steps between a power of two and the next, as the exponent of a power of two.
const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;

impl Latencies {
    pub fn new() -> Self {
        Self { counts: vec![0; STEPS * (64 - STEP_BITS as usize + 1)], total: 0 }
    }

    pub fn add(&mut self, latency: Duration) {
        self.counts[index(latency.as_nanos() as u64)] += 1;
        self.total += 1;
    }

    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// Returns the latency, in nanoseconds, that this part of all messages does not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        let rank = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (i, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                return value(i);
            }
        }
        f64::NAN
    }
}

fn index(nanos: u64) -> usize {
    let exponent = (nanos | 1).ilog2();
    if exponent < STEP_BITS {
        return nanos as usize;
    }
    let step = (nanos >> (exponent - STEP_BITS)) as usize - STEPS;
    (exponent - STEP_BITS + 1) as usize * STEPS + step
}

/// Returns the middle of the values with this index.
fn value(index: usize) -> f64 {
    if index < STEPS {
        return index as f64;
    }
    let (power, step) = (index / STEPS - 1, index % STEPS);
    (STEPS as f64 + step as f64 + 0.5) * (power as f64).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut latencies = Latencies::new();
        assert!(latencies.quantile(0.5).is_nan());
        for nanos in 1..=1_000_000 {
            latencies.add(Duration::from_nanos(nanos));
        }
        for part in [0.001, 0.5, 0.99, 0.999, 1.0] {
            let error = latencies.quantile(part) / (part * 1e6) - 1.0;
            assert!(error.abs() < 0.02, "{part}: {error}");
        }
    }

    #[test]
    fn every_latency_has_a_place() {
        let mut latencies = Latencies::new();
        for nanos in [0, 1, 63, 64, 65, 127, 128, u64::MAX] {
            latencies.add(Duration::from_nanos(nanos));
        }
        assert!(latencies.quantile(1.0) > 1.8e19);
    }
}
