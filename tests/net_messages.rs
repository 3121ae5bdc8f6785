//! Tests which types can be sent, and the ways to iterate over received messages.

#[path = "wire/pipe.rs"]
mod pipe;
mod wire;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use pipe::{Pipe, Then};
use tightwire::{AsMessage, Hub, Message, MessageRef, PreparedMessage, Role, SlowPolicy, Timeouts};
use wire::close_body;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A type that the program defines.
struct Line(String);

impl AsMessage for Line {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Text(&self.0)
    }
}

#[test]
fn any_type_that_holds_text_or_bytes_can_be_sent() {
    let pipe = Pipe::new(Role::Server);
    let ws = pipe.open(Timeouts::default());
    let (text, bytes) = (String::from("text"), vec![1, 2, 3]);
    let all: [(&dyn AsMessage, u8); 20] = [
        (&"text", TEXT),
        (&&"text", TEXT),
        (&text.clone(), TEXT),
        (&text, TEXT),
        (&Cow::Borrowed("text"), TEXT),
        (&Cow::<str>::Owned(text.clone()), TEXT),
        (&Box::<str>::from("text"), TEXT),
        (&Arc::<str>::from("text"), TEXT),
        (&Rc::new(text.clone()), TEXT),
        (&Line(text.clone()), TEXT),
        (&Message::from("text"), TEXT),
        (&MessageRef::Text("text"), TEXT),
        (&bytes, BINARY),
        (&&bytes[..], BINARY),
        (&[1, 2, 3], BINARY),
        (&b"\x01\x02\x03", BINARY),
        (&Cow::Borrowed(&bytes[..]), BINARY),
        (&Arc::<[u8]>::from(&bytes[..]), BINARY),
        (&Message::from(bytes.clone()), BINARY),
        (&MessageRef::Binary(&bytes), BINARY),
    ];
    for (message, _) in &all {
        ws.send(message).unwrap();
    }
    let payload = |first| if first == TEXT { text.clone().into_bytes() } else { bytes.clone() };
    let expected: Vec<_> = all.iter().map(|(_, first)| (*first, payload(*first))).collect();
    assert_eq!(pipe.frames(), expected);
}

#[test]
fn owned_messages_can_be_sent() {
    let pipe = Pipe::new(Role::Server);
    let ws = pipe.open(Timeouts::default());
    let hub = Hub::new(SlowPolicy::Drop);
    let _member = hub.join(ws.sender());
    ws.send(String::from("1")).unwrap();
    ws.feed(format!("{}", 2)).unwrap();
    ws.send(Message::from("3")).unwrap();
    ws.send_prepared(&PreparedMessage::new(String::from("4"))).unwrap();
    hub.broadcast(Message::from(vec![5]));
    ws.sender().send(vec![6]).unwrap();
    let all: Vec<_> =
        pipe.frames().into_iter().map(|(first, payload)| (first, payload[0])).collect();
    let (text, binary) = (TEXT, BINARY);
    let expected =
        [(text, b'1'), (text, b'2'), (text, b'3'), (text, b'4'), (binary, 5), (binary, 6)];
    assert_eq!(all, expected);
}

#[test]
fn a_loop_over_messages_may_send() {
    for way in 0..4 {
        let pipe = Pipe::new(Role::Server);
        let mut ws = pipe.open(Timeouts::default());
        let bytes = [
            pipe.frame(TEXT, b"a"),
            pipe.frame(TEXT, b"b"),
            pipe.frame(0x88, &close_body(1000, "")),
        ];
        pipe.feed(&bytes.concat(), Then::End);
        let sender = ws.sender();
        match way {
            0 => ws.messages().for_each(|message| sender.send(message.unwrap()).unwrap()),
            1 => {
                for message in &mut ws {
                    sender.send(message.unwrap()).unwrap();
                }
            }
            2 => {
                let (sender, mut receiver) = ws.split();
                for message in &mut receiver {
                    sender.send(message.unwrap()).unwrap();
                }
            }
            _ => {
                while let Some(message) = ws.recv().unwrap() {
                    ws.send(message).unwrap();
                }
                let mut messages = ws.messages();
                assert!(messages.next().is_none() && messages.next().is_none());
            }
        }
        assert_eq!(pipe.opcodes(), [TEXT, TEXT, 0x88], "way {way}");
    }
}

#[test]
fn a_message_prints_its_text_or_the_length_of_its_data() {
    assert_eq!(Message::from("a\nb").to_string(), "a\nb");
    assert_eq!(format!("{:>3}", Message::from("a")), "  a");
    assert_eq!(Message::from(vec![0; 1000]).to_string(), "(1000 bytes)");
    assert_eq!(Message::from("a").into_text(), Ok("a".to_owned()));
    let binary = Message::from(vec![0x61]);
    assert_eq!(binary.clone().into_text(), Err(binary));
}
