/// A generator of numbers that look random, and are the same for the same seed (xorshift64*).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero, and sequences of similar seeds must not begin alike.
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// Returns a separate generator for another thread.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns a number below `end`, which must not be zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| self.next().to_le_bytes())
            .take(len / 8 + 1)
            .flatten()
            .collect();
        bytes.truncate(len);
        bytes
    }

    /// Returns text of about `len` bytes, in several scripts.
    pub(crate) fn text(&mut self, len: usize) -> String {
        const LETTERS: [char; 12] = ['a', 'e', ' ', 't', 'o', 'ä', 'ß', 'Ж', 'ق', '語', '道', '🦀'];
        let mut text = String::with_capacity(len + 4);
        while text.len() < len {
            text.push(*self.pick(&LETTERS));
        }
        text
    }
}
