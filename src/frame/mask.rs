/// The four bytes that a client draws anew for each frame it sends (§5.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaskingKey(pub [u8; 4]);

impl MaskingKey {
    /// Masks or unmasks `data` in place; the two are the same operation.
    ///
    /// `offset` is the position of `data` in the payload of the frame, so that a payload may
    /// be worked on in pieces of any size.
    #[inline(always)]
    pub fn apply(self, data: &mut [u8], offset: usize) {
        let key = self.wide(offset);
        // Arrays of a fixed length are what compilers turn into a few vector instructions, without
        // the preparation of a loop over words, which a short payload would pay for. Each length
        // is a multiple of four, so the rest begins with the key's first byte again.
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

    /// Appends `data` to `out`, masked or unmasked, as [`apply`](Self::apply) does it in place.
    #[inline(always)]
    pub fn append(self, data: &[u8], offset: usize, out: &mut Vec<u8>) {
        let rest = if data.len() <= SHORT { data } else { self.append_blocks(data, offset, out) };
        // A block is a multiple of four, so the rest begins at the same byte of the key.
        let start = out.len();
        out.extend_from_slice(rest);
        self.apply(out.get_mut(start..).unwrap_or_default(), offset);
    }

    /// A copy of a payload, masked or unmasked from its beginning.
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

    /// Appends the whole blocks of `data`, and returns the rest.
    #[inline(never)]
    fn append_blocks<'a>(self, data: &'a [u8], offset: usize, out: &mut Vec<u8>) -> &'a [u8] {
        let key = self.wide(offset);
        out.reserve(data.len());
        let mut blocks = data.chunks_exact(BLOCK);
        for from in &mut blocks {
            if let Some(block) = from.first_chunk::<BLOCK>() {
                // A copy on the stack, or in registers, is masked without a look at the length,
                // and no memory is cleared first.
                let mut block = *block;
                mask_words(&mut block, key);
                out.extend_from_slice(&block);
            }
        }
        blocks.remainder()
    }

    /// The key twice, as it falls on the bytes from `offset` on; the first byte is the lowest.
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

/// As `to_vec`, in twenty instructions less.
#[inline(always)]
pub(crate) fn copy(data: &[u8]) -> Vec<u8> {
    Box::<[u8]>::from(data).into_vec()
}

/// Masks the first bytes, if there are so many, and returns the rest.
#[inline(always)]
fn mask_front<const N: usize>(data: &mut [u8], key: u64) -> &mut [u8] {
    if data.len() < N {
        return data;
    }
    let Some((front, rest)) = data.split_first_chunk_mut::<N>() else { return &mut [] };
    mask_words(front, key);
    rest
}

/// Masks whole words.
#[inline(always)]
fn mask_words<const N: usize>(words: &mut [u8; N], key: u64) {
    for word in words.chunks_exact_mut(WORD) {
        if let Some(word) = word.first_chunk_mut() {
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
    }
}

/// A payload of this length is copied and then masked: the copy is still in the nearest cache.
const SHORT: usize = 1 << 10;
/// So many bytes are masked before they are appended.
const BLOCK: usize = 128;
/// The bytes masked at once.
const WORD: usize = size_of::<u64>();
