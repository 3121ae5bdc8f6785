//! Tests headers, masking, Close frames and the UTF-8 check for text in pieces, each against a slow
//! and simple reference.

mod support;

use ProtocolError as E;
use support::{hex, naive_mask};
use tightwire::ProtocolError;
use tightwire::frame::{
    CloseCode, CloseFrame, FrameHeader, MaskingKey, Opcode, ReasonTooLong, Utf8Check, Utf8Piece,
};

type Decoded = Result<Option<(FrameHeader, usize)>, ProtocolError>;

/// Decodes a header of any form step by step, as `FrameHeader::decode` should.
fn reference_decode(input: &[u8]) -> Decoded {
    let Some(&first) = input.first() else {
        return Ok(None);
    };
    let opcode = match first % 16 {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        bits => return Err(E::ReservedOpcode(bits)),
    };
    let is_control = first % 16 >= 8;
    if is_control && first < 128 {
        return Err(E::FragmentedControl);
    }
    let Some(&second) = input.get(1) else {
        return Ok(None);
    };
    let (is_masked, short_len) = (second >= 128, second % 128);
    if is_control && short_len > 125 {
        return Err(E::ControlTooLong);
    }
    let (extended, least) = match short_len {
        126 => (2, 126),
        127 => (8, 65536),
        _ => (0, 0),
    };
    let mut payload_len = u64::from(short_len);
    if extended > 0 {
        let Some(bytes) = input.get(2..2 + extended) else {
            return Ok(None);
        };
        payload_len = bytes.iter().fold(0, |len, &byte| len * 256 + u64::from(byte));
        if payload_len < least {
            return Err(E::NonMinimalLength);
        }
        if payload_len >= 1 << 63 {
            return Err(E::LengthTooLarge);
        }
    }
    let mut header_len = 2 + extended;
    let mut mask = None;
    if is_masked {
        let Some(key) = input.get(header_len..header_len + 4) else {
            return Ok(None);
        };
        mask = Some(MaskingKey([key[0], key[1], key[2], key[3]]));
        header_len += 4;
    }
    let header = FrameHeader {
        fin: first >= 128,
        rsv1: first & 64 != 0,
        rsv2: first & 32 != 0,
        rsv3: first & 16 != 0,
        opcode,
        mask,
        payload_len,
    };
    Ok(Some((header, header_len)))
}

/// The bytes after the first two of a header: lengths of every kind, then bytes of a key.
const FOLLOWING: &[&str] = &[
    "0000 0000 0000 0000 00000000",
    "007d 0000 0000 0000 01020304",
    "007e 0000 0000 0000 01020304",
    "0000 0000 0000 ffff 37fa213d",
    "0000 0000 0001 0000 37fa213d",
    "7fff ffff ffff ffff ffffffff",
    "8000 0000 0000 0000 80808080",
    "ffff ffff ffff ffff 89abcdef",
];

// proves 6455-5.2-25, 6455-5.2-29
#[test]
fn every_first_two_bytes_decode_like_the_reference() {
    for following in FOLLOWING {
        let mut input = [&[0, 0][..], &hex(following)].concat();
        for start in 0..=u16::MAX {
            input[..2].copy_from_slice(&start.to_be_bytes());
            let decoded = FrameHeader::decode(&input);
            assert_eq!(decoded, reference_decode(&input), "{input:02x?}");
            if let Ok(decoded) = decoded {
                let (header, header_len) = decoded.expect("fourteen bytes are a whole header");
                let mut encoded = Vec::new();
                header.encode(&mut encoded);
                assert_eq!(encoded, input[..header_len], "encode undoes decode");
            }
        }
    }
}

#[test]
fn a_partial_header_is_neither_decoded_nor_refused_early() {
    for following in FOLLOWING {
        let mut input = [&[0, 0][..], &hex(following)].concat();
        for first in 0..=u8::MAX {
            for second in [0x00, 0x05, 0x7d, 0x7e, 0x7f, 0x80, 0x85, 0xfd, 0xfe, 0xff] {
                input[..2].copy_from_slice(&[first, second]);
                for len in 0..=input.len() {
                    let prefix = &input[..len];
                    let decoded = FrameHeader::decode(prefix);
                    assert_eq!(decoded, reference_decode(prefix), "{prefix:02x?}");
                }
            }
        }
    }
}

/// The shortest inputs that are known to be invalid. Without its last byte, each could still be
/// valid.
const REFUSED_AT_THIS_BYTE: &[(&str, ProtocolError)] = &[
    ("03", E::ReservedOpcode(3)),
    ("8b", E::ReservedOpcode(0xb)),
    ("ff", E::ReservedOpcode(0xf)),
    ("08", E::FragmentedControl),
    ("09", E::FragmentedControl),
    ("0a", E::FragmentedControl),
    ("88 7e", E::ControlTooLong),
    ("89 7f", E::ControlTooLong),
    ("8a fe", E::ControlTooLong),
    ("82 7e 00 7d", E::NonMinimalLength),
    ("82 fe 00 00", E::NonMinimalLength),
];

#[test]
fn an_invalid_header_is_refused_at_the_byte_that_makes_it_invalid() {
    for (bytes, error) in REFUSED_AT_THIS_BYTE {
        let bytes = hex(bytes);
        assert_eq!(FrameHeader::decode(&bytes), Err(*error), "{bytes:02x?}");
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(FrameHeader::decode(before), Ok(None), "{before:02x?}");
    }
}

// proves 6455-5.2-14, 6455-5.2-17
#[test]
fn every_valid_header_decodes_from_its_encoding() {
    let lens = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 1 << 32, (1 << 63) - 1];
    let keys = [None, Some(MaskingKey([0; 4])), Some(MaskingKey([1, 2, 3, 4]))];
    for first in 0..=u8::MAX {
        let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
            continue;
        };
        let fin = first & 0x80 != 0;
        for payload_len in lens {
            if opcode.is_control() && (!fin || payload_len > 125) {
                continue;
            }
            for mask in keys {
                let header = FrameHeader {
                    fin,
                    rsv1: first & 0x40 != 0,
                    rsv2: first & 0x20 != 0,
                    rsv3: first & 0x10 != 0,
                    opcode,
                    mask,
                    payload_len,
                };
                assert_eq!(header.has_reserved_bits(), first & 0x70 != 0);
                let mut bytes = b"before".to_vec();
                header.encode(&mut bytes);
                let (before, encoded) = bytes.split_at(6);
                assert_eq!(before, b"before", "earlier bytes are unchanged");
                assert_eq!(encoded[0], first);
                let len_bytes = match payload_len {
                    0..=125 => 0,
                    126..=65535 => 2,
                    _ => 8,
                };
                assert_eq!(encoded.len(), 2 + len_bytes + mask.map_or(0, |_| 4));
                assert!(encoded.len() <= FrameHeader::MAX_LEN);
                let decoded = FrameHeader::decode(encoded);
                assert_eq!(decoded, Ok(Some((header, encoded.len()))));
            }
        }
    }
}

#[test]
fn new_makes_the_header_of_a_whole_message() {
    let header = FrameHeader::new(Opcode::Binary, None, 7);
    assert!(header.fin && !header.has_reserved_bits());
    assert_eq!((header.opcode, header.mask), (Opcode::Binary, None));
    assert_eq!(header.payload_len, 7);
}

const KEYS: [MaskingKey; 4] =
    [support::KEY, MaskingKey([0; 4]), MaskingKey([0xff; 4]), MaskingKey([1, 2, 4, 8])];

/// Lengths around each size of step in which masking may process bytes.
fn mask_lens() -> impl Iterator<Item = usize> {
    (0..=70).chain([127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 999])
}

fn sample(len: usize) -> Vec<u8> {
    (0..=255).cycle().skip(len % 7).take(len).collect()
}

// proves 6455-5.3-7
#[test]
fn masking_equals_the_octet_by_octet_reference() {
    for len in mask_lens() {
        let data = sample(len);
        for offset in (0..8).chain([usize::MAX - 3, usize::MAX]) {
            for key in KEYS {
                let mut masked = data.clone();
                key.apply(&mut masked, offset);
                assert_eq!(masked, naive_mask(&data, key, offset % 4), "{len} at {offset}");
                key.apply(&mut masked, offset);
                assert_eq!(masked, data, "masking twice is nothing");
            }
        }
    }
}

#[test]
fn appending_masked_data_equals_masking_a_copy() {
    for len in mask_lens() {
        let data = sample(len);
        for offset in (0..8).chain([usize::MAX - 3, usize::MAX]) {
            for before in [0, 1, 6, 64] {
                let mut out = sample(before);
                support::KEY.append(&data, offset, &mut out);
                assert_eq!(out[..before], sample(before), "earlier bytes are unchanged");
                let expected = naive_mask(&data, support::KEY, offset % 4);
                assert_eq!(out[before..], expected, "{len} at {offset} behind {before}");
            }
        }
    }
}

#[test]
fn masking_does_not_depend_on_alignment() {
    let data = sample(200);
    for start in 0..40 {
        for end in [start, start + 1, start + 31, start + 33, 200] {
            let mut masked = data.clone();
            support::KEY.apply(&mut masked[start..end], 0);
            assert_eq!(masked[..start], data[..start], "bytes before stay");
            assert_eq!(masked[end..], data[end..], "bytes after the range are unchanged");
            let expected = naive_mask(&data[start..end], support::KEY, 0);
            assert_eq!(masked[start..end], expected);
        }
    }
}

// proves 6455-5.3-7
#[test]
fn masking_in_two_pieces_equals_masking_in_one() {
    for len in mask_lens() {
        let data = sample(len);
        for offset in 0..8 {
            let whole = naive_mask(&data, support::KEY, offset);
            for cut in 0..=len {
                let mut masked = data.clone();
                let (a, b) = masked.split_at_mut(cut);
                support::KEY.apply(a, offset);
                support::KEY.apply(b, offset + cut);
                assert_eq!(masked, whole, "{len} bytes at {offset} cut at {cut}");
            }
        }
    }
}

// proves 6455-5.5-2
#[test]
fn a_reason_fits_up_to_123_bytes() {
    let longest = "r".repeat(CloseFrame::MAX_REASON_LEN);
    assert_eq!(longest.len(), 123);
    let frame = CloseFrame::new(CloseCode::NORMAL, longest.as_str()).unwrap();
    assert_eq!(frame.reason(), longest);
    let mut body = Vec::new();
    frame.encode(&mut body);
    assert_eq!(body.len(), FrameHeader::MAX_CONTROL_PAYLOAD);
    for (reason, len) in [("r".repeat(124), 124), ("€".repeat(42), 126)] {
        let error = CloseFrame::new(CloseCode::NORMAL, reason).unwrap_err();
        assert_eq!(error, ReasonTooLong { len });
        assert!(error.to_string().contains(&len.to_string()), "{error}");
    }
    assert!(CloseFrame::new(CloseCode::NORMAL, "€".repeat(41)).is_ok());
}

// proves 6455-5.5.1-3, 6455-5.5.1-4, 6455-5.5.1-5, 6455-7.1.6-1, 6455-7.1.6-2
#[test]
fn the_body_of_a_close_frame_is_read_and_written() {
    let good = [
        ("03e8", 1000, ""),
        ("03e8 48656c6c6f", 1000, "Hello"),
        ("0fa0 e282ac", 4000, "€"),
        ("1387 00", 4999, "\0"),
    ];
    assert_eq!(CloseFrame::decode(&[]), Ok(None));
    for (body, code, reason) in good {
        let code = CloseCode::new(code).unwrap();
        let expected = CloseFrame::new(code, reason).unwrap();
        assert_eq!(CloseFrame::decode(&hex(body)), Ok(Some(expected.clone())));
        assert_eq!((expected.code(), expected.reason()), (code, reason));
        let mut written = b"before".to_vec();
        expected.encode(&mut written);
        assert_eq!(written, [b"before", &hex(body)[..]].concat());
    }
    let bad = [
        ("03", E::TruncatedClose),
        ("ff", E::TruncatedClose),
        ("03ed", E::ForbiddenCloseCode(1005)),
        ("03ed c328", E::ForbiddenCloseCode(1005)),
        ("03e8 c328", E::InvalidUtf8),
        ("03e8 e282", E::InvalidUtf8),
    ];
    for (body, error) in bad {
        assert_eq!(CloseFrame::decode(&hex(body)), Err(error), "{body}");
    }
}

#[test]
fn a_close_frame_made_from_a_code_has_no_reason() {
    let frame = CloseFrame::from(CloseCode::GOING_AWAY);
    assert_eq!(frame.code(), CloseCode::GOING_AWAY);
    assert_eq!(frame.reason(), "");
}

/// Every protocol error, with the longest possible numbers.
const ALL_ERRORS: &[(ProtocolError, u16, &str)] = &[
    (E::ReservedBits, 1002, "§5.2"),
    (E::ReservedOpcode(0xf), 1002, "§5.2"),
    (E::NonMinimalLength, 1002, "§5.2"),
    (E::LengthTooLarge, 1002, "§5.2"),
    (E::Unmasked, 1002, "§5.1"),
    (E::Masked, 1002, "§5.1"),
    (E::UnexpectedContinuation, 1002, "§5.4"),
    (E::ExpectedContinuation, 1002, "§5.4"),
    (E::FragmentedControl, 1002, "§5.5"),
    (E::ControlTooLong, 1002, "§5.5"),
    (E::TruncatedClose, 1002, "§5.5.1"),
    (E::ForbiddenCloseCode(u16::MAX), 1002, "§7.4"),
    (E::InvalidUtf8, 1007, "§8.1"),
    (E::FrameTooBig { limit: u64::MAX }, 1009, "§10.4"),
    (E::MessageTooBig { limit: u64::MAX }, 1009, "§10.4"),
    (E::TooManyFragments { limit: u32::MAX }, 1009, "§10.4"),
];

// proves 6455-7.4.1-14, 6455-7.4.1-16
#[test]
fn every_error_has_a_section_and_fits_into_a_close_frame() {
    for &(error, code, section) in ALL_ERRORS {
        assert_eq!(error.section(), format!("RFC 6455 {section}"));
        let text = error.to_string();
        assert!(text.ends_with(&format!(" (RFC 6455 {section})")), "{text}");
        assert!(text.len() <= 80, "{} bytes: {text}", text.len());
        let frame = CloseFrame::from(error);
        assert_eq!((frame.code().get(), frame.reason()), (code, text.as_str()));
        assert!(text.len() <= CloseFrame::MAX_REASON_LEN);
        let mut body = Vec::new();
        frame.encode(&mut body);
        assert_eq!(CloseFrame::decode(&body), Ok(Some(frame)));
    }
    let texts: std::collections::BTreeSet<String> =
        ALL_ERRORS.iter().map(|(e, ..)| e.to_string()).collect();
    assert_eq!(texts.len(), ALL_ERRORS.len(), "no two texts are equal");
}

/// Checks the pieces. Returns the text, or the index of the piece that was refused. The end of the
/// text counts as one more piece.
fn check_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<String, usize> {
    let mut check = Utf8Check::new();
    let mut text = String::new();
    let mut n = 0_usize;
    for piece in pieces {
        let checked = check.check(piece);
        assert!(checked.is_ok() || checked == Err(E::InvalidUtf8));
        checked.map_err(|_| n)?.append_to(&mut text);
        n += 1;
    }
    check.finish().map_err(|error| {
        assert_eq!(error, E::InvalidUtf8);
        n
    })?;
    Ok(text)
}

/// Returns the place of the first byte that makes the text invalid, whatever follows. The error of
/// `std` has a length for such bytes.
fn first_impossible_byte(bytes: &[u8]) -> Option<usize> {
    let error = core::str::from_utf8(bytes).err()?;
    error.error_len()?;
    (error.valid_up_to()..bytes.len()).find(|&i| {
        core::str::from_utf8(&bytes[..=i]).is_err_and(|error| error.error_len().is_some())
    })
}

/// Compares the check to `std` for the whole text, for single bytes, and for every cut.
fn assert_checked_as_std_does(bytes: &[u8]) {
    let valid = core::str::from_utf8(bytes).ok();
    let bad_byte = first_impossible_byte(bytes);
    let bytewise = check_pieces(bytes.chunks(1));
    match (valid, bad_byte) {
        (Some(text), _) => assert_eq!(bytewise.as_deref(), Ok(text)),
        (None, Some(place)) => assert_eq!(bytewise, Err(place), "{bytes:02x?}"),
        (None, None) => assert_eq!(bytewise, Err(bytes.len()), "{bytes:02x?} is cut off"),
    }
    for cut in 0..=bytes.len() {
        let (a, b) = bytes.split_at(cut);
        let expected = match (valid, bad_byte) {
            (Some(text), _) => Ok(text),
            (None, Some(place)) if place < cut => Err(0),
            (None, Some(_)) => Err(1),
            (None, None) => Err(2),
        };
        let halves = check_pieces([a, b]);
        assert_eq!(halves.as_deref(), expected.as_ref().copied(), "{a:02x?} {b:02x?}");
    }
}

#[test]
fn long_text_is_checked_as_std_does() {
    let mixed: Vec<u8> = "a€ß🌍, ".bytes().cycle().take(260).collect();
    for len in [127, 128, 129, 255, 256, 259] {
        for bad in (0..len).step_by(5) {
            let mut bytes = mixed[..len].to_vec();
            for byte in [bytes[bad], 0xff, b'.', 0xa0, 0xe2] {
                bytes[bad] = byte;
                let expected = match core::str::from_utf8(&bytes) {
                    Ok(text) => Ok(text),
                    Err(error) if error.error_len().is_none() => Err(1),
                    Err(_) => Err(0),
                };
                let checked = check_pieces([bytes.as_slice()]);
                assert_eq!(checked.as_deref().map_err(|n| *n), expected, "{bytes:02x?}");
            }
        }
    }
}

// proves 6455-5.6-3, 6455-8.1-1
#[test]
fn text_in_pieces_is_checked_like_whole_text() {
    let strings: &[&[u8]] = &[
        b"",
        b"Hello",
        "κόσμε".as_bytes(),
        "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
        "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
        "€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€".as_bytes(),
        "🦀a🦀é🦀€🦀".as_bytes(),
        b"Hello\xc3(",
        b"Hello\xff",
        b"Hello\x80",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xce",
        b"\xe2\x82",
        b"\xf0\x9f\xa6",
        b"ok \xf0\x9f\xa6 no",
        b"ok \xf0\x9f\xa6\xf0\x9f\xa6\x80",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ];
    for bytes in strings {
        assert_checked_as_std_does(bytes);
    }
}

#[test]
fn text_in_three_pieces_is_checked_like_whole_text() {
    for text in ["aé€🦀b", "🦀🦀€", "\u{800}\u{10ffff}é"] {
        for cut in 0..=text.len() {
            let (a, rest) = text.as_bytes().split_at(cut);
            for cut in 0..=rest.len() {
                let (b, c) = rest.split_at(cut);
                assert_eq!(check_pieces([a, b, c]).as_deref(), Ok(text));
            }
        }
    }
}

#[test]
fn all_sequences_of_one_and_two_bytes_are_checked_as_std_does() {
    for pair in 0..=u16::MAX {
        assert_checked_as_std_does(&pair.to_be_bytes());
    }
    for byte in 0..=u8::MAX {
        assert_checked_as_std_does(&[byte]);
    }
}

/// The first and the last byte of each class in RFC 3629 §3.
const BOUNDARY_BYTES: [u8; 22] = [
    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
    0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff,
];

#[test]
fn sequences_of_three_and_four_boundary_bytes_are_checked_as_std_does() {
    for a in BOUNDARY_BYTES {
        for b in BOUNDARY_BYTES {
            for c in BOUNDARY_BYTES {
                assert_checked_as_std_does(&[a, b, c]);
                // A fourth byte matters only after a first byte that announces it.
                if a >= 0xef {
                    for d in BOUNDARY_BYTES {
                        assert_checked_as_std_does(&[a, b, c, d]);
                    }
                }
            }
        }
    }
}

#[test]
fn a_piece_gives_the_characters_that_it_completes() {
    let mut check = Utf8Check::new();
    let steps: &[(&[u8], Option<char>, &str)] = &[
        (b"ab\xe2", None, "ab"),
        (b"", None, ""),
        (b"\x82", None, ""),
        (b"\xac", Some('€'), ""),
        (b"c", None, "c"),
        (b"\xf0\x9f\xa6", None, ""),
        (b"\x80d\xc3", Some('🦀'), "d"),
        (b"\xa9", Some('é'), ""),
    ];
    for &(piece, carried, rest) in steps {
        assert_eq!(check.check(piece), Ok(Utf8Piece { carried, rest }));
    }
    assert_eq!(check.finish(), Ok(()));
}
