//! The messages that are sent. They are generated here, and the same in each run.

use tightwire::Message;

/// Messages of one kind, sent in turn.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    pub(crate) messages: Vec<Message>,
}

/// The bytes of all messages of a corpus. This is far more than a window holds, so a message has
/// its kind in common with earlier ones, not its content.
const LEN: usize = 1 << 20;

pub(crate) fn all() -> Vec<Corpus> {
    let mut random = Random(7692);
    let corpus = |name, make: &mut dyn FnMut() -> Message| {
        let first = make();
        let count = LEN / first.as_bytes().len();
        Corpus { name, messages: (0..count).map(|_| make()).collect() }
    };
    vec![
        corpus("JSON, 300 bytes", &mut || Message::Text(json(&mut random, 3))),
        corpus("JSON, 10 kB", &mut || Message::Text(json(&mut random, 110))),
        corpus("random bytes, 10 kB", &mut || Message::Binary(random.bytes(10_000))),
    ]
}

fn json(random: &mut Random, records: usize) -> String {
    let states = ["new", "sold", "reserved", "refused"];
    let records: Vec<String> = (0..records)
        .map(|_| {
            let (id, name) = (random.next(), random.next());
            let (whole, cents) = (random.below(1000), random.below(100));
            let (state, tag) = (states[random.below(4)], states[random.below(4)]);
            format!(
                r#"{{"id":{id},"name":"{name:08x}","price":{whole}.{cents:02},"state":"{state}","tags":["{tag}"]}}"#
            )
        })
        .collect();
    format!("[{}]", records.join(","))
}

/// A linear congruential generator. Only the upper half of its state is used.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, end: u32) -> usize {
        (self.next() % end) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
