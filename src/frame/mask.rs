/// The four bytes that a client draws anew for each frame it sends (§5.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaskingKey(pub [u8; 4]);

/// Bytes XORed in one step: a size that compilers turn into vector instructions.
const STEP: usize = 32;

impl MaskingKey {
    /// Masks or unmasks `data` in place; the two are the same operation.
    ///
    /// `offset` is the position of `data` in the payload of the frame, so that a payload may
    /// be worked on in pieces of any size.
    pub fn apply(self, data: &mut [u8], offset: usize) {
        let [a, b, c, d] = self.0;
        let key = match offset % 4 {
            0 => [a, b, c, d],
            1 => [b, c, d, a],
            2 => [c, d, a, b],
            _ => [d, a, b, c],
        };
        let mut wide = [0; STEP];
        for word in wide.chunks_exact_mut(4) {
            word.copy_from_slice(&key);
        }
        let mut steps = data.chunks_exact_mut(STEP);
        for step in &mut steps {
            xor(step, &wide);
        }
        // STEP is a multiple of four, so the rest begins with the key's first byte again.
        let mut words = steps.into_remainder().chunks_exact_mut(4);
        for word in &mut words {
            xor(word, &key);
        }
        xor(words.into_remainder(), &key);
    }
}

fn xor(data: &mut [u8], key: &[u8]) {
    for (byte, key) in data.iter_mut().zip(key) {
        *byte ^= key;
    }
}
