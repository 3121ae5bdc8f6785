//! A frame header that is accepted is encoded again to exactly the same bytes. A header that is cut
//! short needs more bytes. Every header that may be encoded decodes to itself (§5.2).

use arbitrary::{Arbitrary, Result, Unstructured};
use tightwire::frame::{FrameHeader, MaskingKey, Opcode};

/// Fails if a header changes on the way from bytes to a value and back, or from a value to bytes
/// and back.
pub fn check(data: &[u8]) {
    from_bytes(data);
    // Missing bytes count as zero, so any input makes a header.
    if let Ok(header) = any_header(&mut Unstructured::new(data)) {
        from_value(&header);
    }
}

fn from_bytes(data: &[u8]) {
    let Ok(Some((header, len))) = FrameHeader::decode(data) else { return };
    assert!((2..=FrameHeader::MAX_LEN).contains(&len), "{len} bytes");
    let mut again = Vec::new();
    header.encode(&mut again);
    assert_eq!(again, data[..len], "{header:?}");
    for cut in 0..len {
        assert_eq!(FrameHeader::decode(&data[..cut]), Ok(None), "cut at {cut}");
    }
}

fn from_value(header: &FrameHeader) {
    let mut bytes = b"before".to_vec();
    header.encode(&mut bytes);
    let bytes = bytes.strip_prefix(b"before").expect("earlier bytes are kept");
    let shortest = match header.payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    let key_len = if header.mask.is_some() { 4 } else { 0 };
    assert_eq!(bytes.len(), shortest + key_len, "{header:?}");
    let with_payload = [bytes, b"payload"].concat();
    assert_eq!(FrameHeader::decode(&with_payload), Ok(Some((*header, bytes.len()))));
}

/// Returns whether a header keeps the rules: control frames are not fragmented and have 125 bytes
/// at most (§5.5), and the top bit of the length is clear.
fn any_header(u: &mut Unstructured<'_>) -> Result<FrameHeader> {
    let opcode = *u.choose(&[
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ])?;
    let mask = Option::<[u8; 4]>::arbitrary(u)?.map(MaskingKey);
    let payload_len = match u.int_in_range(0..=3)? {
        _ if opcode.is_control() => u.int_in_range(0..=125)?,
        0 => u.int_in_range(0..=127)?,
        1 => u.int_in_range(0..=0xFFFF)?,
        2 => u.int_in_range(0xFFFE..=0x1_0001)?,
        _ => u.int_in_range(0..=i64::MAX as u64)?,
    };
    let fin = opcode.is_control() || u.arbitrary()?;
    let (rsv1, rsv2, rsv3) = u.arbitrary()?;
    Ok(FrameHeader { fin, rsv1, rsv2, rsv3, opcode, mask, payload_len })
}
