/// The four bytes that a client draws anew for each frame it sends (§5.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaskingKey(pub [u8; 4]);

impl MaskingKey {
    /// Masks or unmasks `data` in place; the two are the same operation.
    ///
    /// `offset` is the position of `data` in the payload of the frame, so that a payload may
    /// be worked on in pieces of any size.
    pub fn apply(self, data: &mut [u8], offset: usize) {
        let key = self.wide(offset);
        // A loop over words is one that compilers turn into vector instructions, and it needs
        // no preparation that a short payload would pay for.
        let mut words = data.chunks_exact_mut(WORD);
        for word in &mut words {
            if let Some(word) = word.first_chunk_mut() {
                *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
            }
        }
        // Words are a multiple of four, so the rest begins with the key's first byte again.
        for (byte, key) in words.into_remainder().iter_mut().zip(key.to_le_bytes()) {
            *byte ^= key;
        }
    }

    /// Appends `data` to `out`, masked or unmasked, as [`apply`](Self::apply) does it in place.
    pub fn append(self, data: &[u8], offset: usize, out: &mut Vec<u8>) {
        let key = self.wide(offset);
        out.reserve(data.len());
        let mut blocks = data.chunks_exact(BLOCK);
        for from in &mut blocks {
            // On the stack, where it is masked without a look at the length, and no memory is
            // cleared first.
            let mut block = [0; BLOCK];
            for (to, from) in block.chunks_exact_mut(WORD).zip(from.chunks_exact(WORD)) {
                if let (Some(to), Some(from)) = (to.first_chunk_mut(), from.first_chunk()) {
                    *to = (u64::from_le_bytes(*from) ^ key).to_le_bytes();
                }
            }
            out.extend_from_slice(&block);
        }
        // A block is a multiple of four, so the rest begins at the same byte of the key.
        let start = out.len();
        out.extend_from_slice(blocks.remainder());
        self.apply(out.get_mut(start..).unwrap_or_default(), offset);
    }

    /// The key twice, as it falls on the bytes from `offset` on; the first byte is the lowest.
    fn wide(self, offset: usize) -> u64 {
        let skipped = match offset % 4 {
            0 => 0,
            1 => 8,
            2 => 16,
            _ => 24,
        };
        let key = u64::from(u32::from_le_bytes(self.0).rotate_right(skipped));
        key << 32 | key
    }
}

/// So many bytes are masked before they are appended.
const BLOCK: usize = 128;
/// The bytes masked at once.
const WORD: usize = size_of::<u64>();
