//! A frame header that is accepted is written again as the very bytes it was read from, and a
//! header cut short asks for more.

use tightwire::frame::FrameHeader;

/// Fails where a header does not survive the way from bytes to a value and back.
pub fn check(data: &[u8]) {
    let Ok(Some((header, len))) = FrameHeader::decode(data) else { return };
    let mut again = Vec::new();
    header.encode(&mut again);
    assert_eq!(again, data[..len], "{header:?}");
    for cut in 0..len {
        assert_eq!(FrameHeader::decode(&data[..cut]), Ok(None), "cut at {cut}");
    }
}
