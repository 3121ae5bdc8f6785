//! Generates bytes that look like frames. Most frames are valid, so that a fuzzer gets far, and
//! some are wrong in each possible way. The module also cuts bytes, generates masking keys and
//! reads headers.

use core::cell::Cell;

use arbitrary::{Arbitrary, Result, Unstructured};
use tightwire::frame::{FrameHeader, MaskingKey};
use tightwire::protocol::Role;

/// No frame begins after this many bytes on the wire.
const MAX_WIRE: usize = 200_000;

/// Returns bytes from a peer of this role, or from a program that is not quite a peer.
///
/// The first byte decides whether the rest is used unchanged, or as a plan for frames.
pub fn any_wire(sender: Role, u: &mut Unstructured<'_>) -> Vec<u8> {
    if !u.arbitrary().unwrap_or(false) {
        return u.bytes(u.len()).unwrap_or_default().to_vec();
    }
    let mut wire = Vec::new();
    while !u.is_empty() && wire.len() < MAX_WIRE {
        if any_frame(sender, u, &mut wire).is_err() {
            break;
        }
    }
    // A stream may end anywhere.
    let missing = usize::from(u.arbitrary::<u8>().unwrap_or(0));
    wire.truncate(wire.len().saturating_sub(missing));
    wire
}

fn any_frame(sender: Role, u: &mut Unstructured<'_>, wire: &mut Vec<u8>) -> Result<()> {
    let opcode = match u.int_in_range(0..=31)? {
        0 => u.int_in_range(0x0..=0xF)?,
        _ => *u.choose(&[0x0, 0x0, 0x0, 0x1, 0x1, 0x2, 0x9, 0xA, 0x8])?,
    };
    let fin = if opcode >= 0x8 { !rarely(u)? } else { u.arbitrary()? };
    let reserved = if rarely(u)? { u.int_in_range(0..=7)? } else { 0 };
    let payload = match opcode {
        0x8 => any_close_body(u)?,
        _ => any_payload(u)?,
    };
    wire.push(if fin { 0x80 } else { 0 } | reserved << 4 | opcode);

    let is_masked = (sender == Role::Client) != rarely(u)?;
    let mask_bit = if is_masked { 0x80 } else { 0 };
    let announced = match u.int_in_range(0..=63)? {
        0 => u.arbitrary()?,
        1 => payload.len() as u64 + 1,
        _ => payload.len() as u64,
    };
    let shortest = match announced {
        0..=125 => 0,
        126..=0xFFFF => 1,
        _ => 2,
    };
    let form = if rarely(u)? { u.int_in_range(0..=2)? } else { shortest };
    let bytes = announced.to_be_bytes();
    match form {
        0 => wire.push(mask_bit | bytes[7] & 0x7F),
        1 => wire.extend([&[mask_bit | 126][..], &bytes[6..]].concat()),
        _ => wire.extend([&[mask_bit | 127][..], &bytes].concat()),
    }
    if is_masked {
        let key: [u8; 4] = u.arbitrary()?;
        wire.extend(key);
        wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        wire.extend(payload);
    }
    Ok(())
}

/// Characters of every length, the first and last of their kinds, complete and cut, and sequences
/// that only look like a character.
const PIECES: [&[u8]; 16] = [
    b"",
    b"Hello",
    b"\xC3\xA9",
    b"\xE2\x82\xAC",
    b"\xF0\x9F\xA6\x80",
    b"\xF4\x8F\xBF\xBF",
    b"\xEF\xBF\xBF",
    b"\xF0\x9F",
    b"\xA6\x80",
    b"\xF0\x9F\xA6",
    b"\x80",
    b"\xE2",
    b"\x82\xAC",
    b"\xED\xA0\x80",
    b"\xC0\x80",
    b"\xF4\x90\x80\x80",
];

fn any_payload(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(match u.int_in_range(0..=7)? {
        0 => any_bytes(u)?,
        1 => {
            let len = *u.choose(&[125, 126, 127, 255, 4095, 4097, 65535, 65536])?;
            vec![u.arbitrary::<u8>()? & 0x7F; len]
        }
        2 => u.choose(&PIECES)?.repeat(u.int_in_range(1..=64)?),
        3 => [*u.choose(&PIECES)?, u.choose(&PIECES)?].concat(),
        _ => u.choose(&PIECES[..7])?.to_vec(),
    })
}

/// Takes a byte of length, and then this many bytes, or all that are left.
pub fn any_bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = usize::from(u.arbitrary::<u8>()?);
    Ok(u.bytes(len.min(u.len()))?.to_vec())
}

fn any_close_body(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let code: u16 = match u.int_in_range(0..=3)? {
        0 => u.arbitrary()?,
        1 => u.int_in_range(999..=1016)?,
        2 => *u.choose(&[1000, 1001, 1014, 2999, 3000, 4999, 5000])?,
        _ => return Ok(if rarely(u)? { vec![3] } else { vec![] }),
    };
    let mut body = code.to_be_bytes().to_vec();
    body.extend(any_payload(u)?);
    body.truncate(if rarely(u)? { 126 } else { 125 });
    Ok(body)
}

fn rarely(u: &mut Unstructured<'_>) -> Result<bool> {
    // The last value, so that input which ends early makes valid frames.
    Ok(u.arbitrary::<u8>()? == u8::MAX)
}

/// The lengths of the pieces in which bytes arrive. After the last length, the first one follows.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Cuts([u8; 4]);

impl Cuts {
    /// Returns the pieces of `bytes`, none of which is empty.
    pub fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        for len in self.0.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            // Headers are cut into bytes, and long payloads into a moderate number of pieces.
            let growth = 1 + pieces.len() / 256 * 64;
            let len = (1 + usize::from(len)) * growth;
            let (piece, after) = rest.split_at(len.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}

/// Returns the role of the other end.
pub const fn peer(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

thread_local! {
    static KEY: Cell<u32> = const { Cell::new(0) };
}

/// Sets the seed of the next keys.
pub fn seed_keys(seed: u32) {
    KEY.set(seed);
}

/// Returns the next masking key. All keys differ, and the sequence is the same for the same seed.
pub fn next_key() -> Option<MaskingKey> {
    let key = KEY.get().wrapping_mul(0x9E37_79B1).wrapping_add(0x1234_5677);
    KEY.set(key);
    Some(MaskingKey(key.to_be_bytes()))
}

/// Returns the headers of a sequence of complete frames.
pub fn headers(wire: &[u8]) -> Vec<FrameHeader> {
    let mut headers = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let (header, len) = FrameHeader::decode(rest).expect("valid").expect("whole");
        rest = &rest[len + header.payload_len as usize..];
        headers.push(header);
    }
    headers
}
