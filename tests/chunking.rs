//! Tests facts that hold for every input on random inputs: how input is cut makes no difference,
//! messages arrive as they were sent, and masking follows §5.3.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{Pair, feed, feed_every_way, frame_from, limits, naive_mask, peer};
use tightwire::frame::{FrameHeader, MaskingKey, Utf8Check};
use tightwire::protocol::{Event, Inbound, Limits, Message, MessageRef, Role};

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

/// Limits that are small enough for random frames to reach them.
fn tight_limits() -> Limits {
    limits(100, 80, 4)
}

/// The first byte of a frame, which most often is valid.
fn first_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        20 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a]),
        2 => Just(0x88),
        1 => any::<u8>(),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[aé€🦀]{0,12}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..40),
        1 => Just(vec![0x03, 0xe8]),
        1 => vec(any::<u8>(), 76..130),
    ]
}

/// Frames for an end of this role. A few of them have the masking of the wrong role.
fn frames(to: Role) -> impl Strategy<Value = Vec<u8>> {
    let sender = prop_oneof![30 => Just(peer(to)), 1 => Just(to)];
    let frame = (sender, first_byte(), payload())
        .prop_map(|(sender, first, payload)| frame_from(sender, first, &payload));
    vec(frame, 0..12).prop_map(|frames| frames.concat())
}

/// Frames in a valid order, so that long sequences have no error.
fn orderly_frames(to: Role) -> impl Strategy<Value = Vec<u8>> {
    let frame = (any::<bool>(), any::<bool>(), "[aé€🦀]{0,9}");
    vec(frame, 0..12).prop_map(move |frames| {
        let mut is_inside = false;
        let mut wire = Vec::new();
        for (is_control, fin, payload) in frames {
            let first = match (is_control, is_inside) {
                (true, _) => 0x89,
                (false, true) => u8::from(fin) << 7,
                (false, false) => u8::from(fin) << 7 | 0x01,
            };
            is_inside = if is_control { is_inside } else { !fin };
            wire.extend(frame_from(peer(to), first, payload.as_bytes()));
        }
        wire
    })
}

/// Bytes for an end of either role.
fn input() -> impl Strategy<Value = (Role, Vec<u8>)> {
    role().prop_flat_map(|role| {
        let bytes = prop_oneof![
            4 => frames(role),
            4 => orderly_frames(role),
            1 => vec(any::<u8>(), 0..60),
        ];
        (Just(role), bytes)
    })
}

/// Cuts `bytes` into pieces of these lengths, which repeat. Pieces may be empty.
fn cut<'a>(mut bytes: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &len in lens.iter().cycle().take(bytes.len() * lens.len()) {
        let (piece, rest) = bytes.split_at(len.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// A message that is cut into fragments at these places, with this many Pings after each.
#[derive(Clone, Debug)]
struct Sent {
    message: Message,
    cuts: Vec<prop::sample::Index>,
    pings: usize,
}

fn sent() -> impl Strategy<Value = Sent> {
    let message = prop_oneof![
        "[ -~é€🦀]{0,60}".prop_map(Message::from),
        vec(any::<u8>(), 0..200).prop_map(Message::from),
    ];
    let cuts = vec(any::<prop::sample::Index>(), 0..5);
    (message, cuts, 0..3_usize).prop_map(|(message, cuts, pings)| Sent { message, cuts, pings })
}

impl Sent {
    /// Returns the parts. Text is cut between characters, because the API takes only `str`.
    fn parts(&self) -> Vec<MessageRef<'_>> {
        let is_boundary = |place: &usize| match &self.message {
            Message::Text(text) => text.is_char_boundary(*place),
            Message::Binary(_) => true,
        };
        let len = self.message.len();
        let mut places: Vec<usize> = self.cuts.iter().map(|cut| cut.index(len + 1)).collect();
        places.retain(is_boundary);
        places.extend([0, len]);
        places.sort_unstable();
        let part = |range: &[usize]| match &self.message {
            Message::Text(text) => MessageRef::Text(&text[range[0]..range[1]]),
            Message::Binary(data) => MessageRef::Binary(&data[range[0]..range[1]]),
        };
        places.windows(2).map(part).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // proves 6455-6.2-1, 6455-10.7-1
    #[test]
    fn cuts_in_the_input_do_not_change_the_outcome(
        (role, bytes) in input(),
        lens in vec(0..30_usize, 1..6),
    ) {
        for limits in [Limits::default(), tight_limits()] {
            let whole = feed(role, limits, [&bytes[..]]);
            let pieces = feed(role, limits, cut(&bytes, &lens));
            prop_assert_eq!(pieces, whole);
        }
    }

    // proves 6455-5.4-3, 6455-5.4-7, 6455-5.4-12, 6455-6.2-5
    #[test]
    fn fragmented_messages_arrive_as_they_were_sent(
        role in role(),
        messages in vec(sent(), 1..6),
        piece_len in 1..40_usize,
    ) {
        let mut pair = Pair::new(Limits::default());
        let end = pair.end(role);
        let sender = end.connection.outbound();
        for sent in &messages {
            let parts = sent.parts();
            for (n, part) in (1..).zip(&parts) {
                let sending = match n == parts.len() {
                    true => sender.encode_final_fragment(*part, &mut end.out),
                    false => sender.encode_fragment(*part, &mut end.out),
                };
                sending.unwrap();
                for _ in 0..sent.pings {
                    sender.encode_ping(b"between", &mut end.out).unwrap();
                }
            }
        }
        pair.pump(piece_len);
        let arrived = pair.end(peer(role)).events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        prop_assert!(arrived.eq(messages.iter().map(|sent| &sent.message)));
        let pings: usize = messages.iter().map(|sent| sent.parts().len() * sent.pings).sum();
        prop_assert_eq!(&pair.end(role).events, &vec![Event::Pong(b"between".to_vec()); pings]);
    }

    #[test]
    fn masking_works_octet_by_octet_and_is_its_own_inverse(
        data in vec(any::<u8>(), 0..300),
        key: [u8; 4],
        offset: usize,
        place: prop::sample::Index,
    ) {
        let key = MaskingKey(key);
        let expected = naive_mask(&data, key, offset % 4);
        let mut masked = data.clone();
        key.apply(&mut masked, offset);
        prop_assert_eq!(&masked, &expected);
        key.apply(&mut masked, offset);
        prop_assert_eq!(&masked, &data);
        let (a, b) = masked.split_at_mut(place.index(data.len() + 1));
        key.apply(a, offset);
        key.apply(b, offset.wrapping_add(a.len()));
        prop_assert_eq!(masked, expected);
    }

    #[test]
    fn a_decoded_header_encodes_to_the_same_bytes(
        bytes in vec(any::<u8>(), 0..20),
    ) {
        if let Ok(Some((header, header_len))) = FrameHeader::decode(&bytes) {
            let mut encoded = Vec::new();
            header.encode(&mut encoded);
            prop_assert_eq!(&encoded[..], &bytes[..header_len]);
        }
    }

    #[test]
    fn text_in_random_pieces_is_checked_as_std_does(
        bytes in payload(),
        lens in vec(0..5_usize, 1..6),
    ) {
        let mut check = Utf8Check::new();
        let mut text = String::new();
        let checked = cut(&bytes, &lens).into_iter().try_for_each(|piece| {
            check.check(piece).map(|piece| piece.append_to(&mut text))
        });
        let checked = checked.and_then(|()| check.finish()).map(|()| text);
        prop_assert_eq!(checked.ok(), String::from_utf8(bytes).ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_cut_of_random_frames_gives_the_same_outcome(
        (role, bytes) in input(),
    ) {
        feed_every_way(role, tight_limits(), &bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // proves 6455-10.1-2
    #[test]
    fn arbitrary_bytes_give_events_or_an_error_and_then_nothing(
        bytes in vec(any::<u8>(), 0..600),
        role in role(),
    ) {
        let mut inbound = Inbound::new(role, Limits::default());
        let mut input = bytes.as_slice();
        let outcome = loop {
            match inbound.next_event(&mut input) {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        if outcome.is_err() {
            let mut more: &[u8] = &[0x81, 0x00, 0x88, 0x00];
            prop_assert_eq!(inbound.next_event(&mut more), Ok(None));
            prop_assert!(more.is_empty());
        } else {
            prop_assert!(input.is_empty());
        }
    }
}
