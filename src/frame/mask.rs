//! Masking: XOR with a key of four bytes (RFC 6455 §5.3).
//!
//! The operation is simple, and the difficulty is its speed. The code is written so that compilers
//! make vector instructions of it, without `unsafe`. Every block has a length that is a multiple of
//! four, so all of them begin at the same byte of the key.

/// The masking key of a frame: four unpredictable bytes, new for each frame that a client sends
/// (RFC 6455 §5.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaskingKey(pub [u8; 4]);

impl MaskingKey {
    /// Masks or unmasks `data` in place; the two are the same operation.
    ///
    /// `offset` is the position of `data` in the payload of the frame, in bytes. With it, a payload
    /// can be processed in pieces of any size.
    #[inline(always)]
    pub fn apply(self, data: &mut [u8], offset: usize) {
        let key = self.wide(offset);
        // Compilers turn an array of fixed length into a few vector instructions. A loop over words
        // would need some preparation first, which is expensive for a short payload. Each length is
        // a multiple of four, so the rest begins with the key's first byte again.
        let mut rest = data;
        while rest.len() >= 128 {
            rest = mask_front::<128>(rest, key);
        }
        rest = mask_front::<64>(rest, key);
        rest = mask_front::<32>(rest, key);
        rest = mask_front::<16>(rest, key);
        rest = mask_front::<8>(rest, key);
        for (byte, key) in rest.iter_mut().zip(key.to_le_bytes()) {
            *byte ^= key;
        }
    }

    /// Appends `data` to `out`, masked or unmasked as by [`apply`](Self::apply).
    #[inline(always)]
    pub fn append(self, data: &[u8], offset: usize, out: &mut Vec<u8>) {
        let rest = if data.len() <= SHORT { data } else { self.append_blocks(data, offset, out) };
        // The length of a block is a multiple of four, so the rest begins at the same byte of the
        // key.
        let start = out.len();
        out.extend_from_slice(rest);
        self.apply(out.get_mut(start..).unwrap_or_default(), offset);
    }

    /// Returns a copy of a payload, masked or unmasked from its beginning.
    #[inline(always)]
    pub(crate) fn unmasked(self, payload: &[u8]) -> Vec<u8> {
        if payload.len() <= SHORT {
            let mut data = copy(payload);
            self.apply(&mut data, 0);
            return data;
        }
        let mut data = Vec::with_capacity(payload.len());
        self.append(payload, 0, &mut data);
        data
    }

    /// Appends the whole blocks of `data`, masked, and returns the rest.
    #[inline(never)]
    fn append_blocks<'a>(self, data: &'a [u8], offset: usize, out: &mut Vec<u8>) -> &'a [u8] {
        let key = self.wide(offset);
        out.reserve(data.len());
        let mut blocks = data.chunks_exact(BLOCK);
        for from in &mut blocks {
            if let Some(block) = from.first_chunk::<BLOCK>() {
                // The copy on the stack or in registers has a fixed length, so masking it needs no
                // check of the length, and no memory is cleared first.
                let mut block = *block;
                mask_words(&mut block, key);
                out.extend_from_slice(&block);
            }
        }
        blocks.remainder()
    }

    /// Returns the key twice, rotated so that its lowest byte masks the payload byte at `offset`.
    #[inline]
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

/// Copies like `to_vec`, in twenty fewer instructions.
#[inline(always)]
pub(crate) fn copy(data: &[u8]) -> Vec<u8> {
    Box::<[u8]>::from(data).into_vec()
}

/// Masks the first `N` bytes, if there are that many, and returns the rest.
#[inline(always)]
fn mask_front<const N: usize>(data: &mut [u8], key: u64) -> &mut [u8] {
    if data.len() < N {
        return data;
    }
    let Some((front, rest)) = data.split_first_chunk_mut::<N>() else { return &mut [] };
    mask_words(front, key);
    rest
}

/// Masks an array of whole words.
#[inline(always)]
fn mask_words<const N: usize>(words: &mut [u8; N], key: u64) {
    for word in words.chunks_exact_mut(WORD) {
        if let Some(word) = word.first_chunk_mut() {
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
    }
}

/// The maximum length of a payload that is copied and then masked. The copy is then still in the
/// nearest cache. Longer payloads are masked and appended block by block.
const SHORT: usize = 1 << 10;
/// The number of bytes in such a block.
const BLOCK: usize = 128;
/// The number of bytes that one XOR masks.
const WORD: usize = size_of::<u64>();
