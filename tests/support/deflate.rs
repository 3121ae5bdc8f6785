//! An independent implementation of DEFLATE (RFC 1951), as far as tests need it: a decompressor
//! that shares no code with that of the library and measures how far data refers back, a writer of
//! blocks, and the negotiation of two ends.

use tightwire::deflate::{DeflateConfig, Deflater, Inflater, Params};
use tightwire::handshake::{
    AcceptOptions, ClientHandshake, HandshakeError, Key, Negotiated, Offer, Request, Response,
    Upgrade,
};
use tightwire::protocol::{Inbound, Limits, Outbound, Role};

/// The four bytes that are removed from the end of each message.
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

const LEN_BASE: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LEN_BITS: [u32; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS: [u32; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
/// The order in which the lengths of the code length codes are written.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The result of decompressing the payload of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Inflated {
    pub(crate) data: Vec<u8>,
    /// The largest distance of a reference, in bytes.
    pub(crate) largest_distance: usize,
    /// The farthest that a reference reaches into data from before the message, in bytes.
    pub(crate) reach: usize,
    /// The same, but only after the first final block, if there is one.
    pub(crate) reach_after_last: Option<usize>,
    /// The types of the blocks: 0 stored, 1 fixed, 2 dynamic.
    pub(crate) blocks: Vec<usize>,
    /// The index in `data` at which the message begins, until the end of the decompression.
    start: usize,
}

impl Inflated {
    fn note_distance(&mut self, distance: usize) {
        self.largest_distance = self.largest_distance.max(distance);
        let reach = distance.saturating_sub(self.data.len() - self.start);
        self.reach = self.reach.max(reach);
        if let Some(after_last) = &mut self.reach_after_last {
            *after_last = reach.max(*after_last);
        }
    }
}

/// Decompresses the payload of a message. `before` is the data of earlier messages.
pub(crate) fn inflate(payload: &[u8], before: &[u8]) -> Result<Inflated, &'static str> {
    let bytes = [payload, &TAIL].concat();
    let mut bits = Reader { bytes: &bytes, place: 0 };
    let mut inflated = Inflated { data: before.to_vec(), ..Inflated::default() };
    inflated.start = before.len();
    let mut ends_empty = false;
    while bits.place < bytes.len() * 8 {
        let is_final = bits.take(1)? == 1;
        let kind = bits.take(2)?;
        let start = inflated.data.len();
        match kind {
            0 => bits.stored(&mut inflated.data)?,
            1 => {
                let mut lens = [8; 288];
                lens[144..256].fill(9);
                lens[256..280].fill(7);
                bits.block(&Codes::new(&lens), &Codes::new(&[5; 30]), &mut inflated)?;
            }
            2 => {
                let (literals, distances) = bits.codes()?;
                bits.block(&literals, &distances, &mut inflated)?;
            }
            _ => return Err("block type 3"),
        }
        if is_final {
            bits.align();
            inflated.reach_after_last.get_or_insert(0);
        }
        ends_empty = kind == 0 && inflated.data.len() == start;
        inflated.blocks.push(kind);
    }
    inflated.data.drain(..before.len());
    if ends_empty { Ok(inflated) } else { Err("no empty stored block at the end") }
}

struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: u32) -> Result<usize, &'static str> {
        let mut value = 0;
        let mut i = 0;
        while i < count {
            let byte = self.bytes.get(self.place / 8).ok_or("it ends too early")?;
            value |= usize::from(byte >> (self.place % 8) & 1) << i;
            self.place += 1;
            i += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.place = self.place.div_ceil(8) * 8;
    }

    fn symbol(&mut self, codes: &Codes) -> Result<usize, &'static str> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &codes.counts[1..] {
            code |= self.take(1)?;
            if code < first + count {
                return Ok(codes.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("no such code")
    }

    fn stored(&mut self, data: &mut Vec<u8>) -> Result<(), &'static str> {
        self.align();
        let (len, complement) = (self.take(16)?, self.take(16)?);
        if len ^ complement != 0xffff {
            return Err("a length that is not the complement of the other");
        }
        let start = self.place / 8;
        data.extend(self.bytes.get(start..start + len).ok_or("less than was announced")?);
        self.place += 8 * len;
        Ok(())
    }

    fn codes(&mut self) -> Result<(Codes, Codes), &'static str> {
        let literals = self.take(5)? + 257;
        let (distances, known) = (self.take(5)? + 1, self.take(4)? + 4);
        let mut of_lens = [0; 19];
        for &place in &ORDER[..known] {
            of_lens[place] = self.take(3)?;
        }
        let of_lens = Codes::new(&of_lens);
        let mut lens = Vec::new();
        while lens.len() < literals + distances {
            let (len, count) = match self.symbol(&of_lens)? {
                16 => (*lens.last().ok_or("nothing to repeat")?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                len => (len, 1),
            };
            lens.resize(lens.len() + count, len);
        }
        let (a, b) = lens.split_at(literals);
        Ok((Codes::new(a), Codes::new(b)))
    }

    fn block(
        &mut self,
        literals: &Codes,
        distances: &Codes,
        inflated: &mut Inflated,
    ) -> Result<(), &'static str> {
        loop {
            let symbol = self.symbol(literals)?;
            if symbol < 256 {
                inflated.data.push(symbol as u8);
                continue;
            }
            if symbol == 256 {
                return Ok(());
            }
            let base = LEN_BASE.get(symbol - 257).ok_or("no such length")?;
            let len = base + self.take(LEN_BITS[symbol - 257])?;
            let symbol = self.symbol(distances)?;
            let base = DISTANCE_BASE.get(symbol).ok_or("no such distance")?;
            let distance = base + self.take(DISTANCE_BITS[symbol])?;
            inflated.note_distance(distance);
            for _ in 0..len {
                let from = inflated.data.len().checked_sub(distance).ok_or("before the start")?;
                inflated.data.push(inflated.data[from]);
            }
        }
    }
}

/// A Huffman code that is built from its lengths (RFC 1951 §3.2.2).
struct Codes {
    /// The number of symbols with a code of each length.
    counts: [usize; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lens: &[usize]) -> Self {
        let mut counts = [0; 16];
        lens.iter().for_each(|&len| counts[len] += 1);
        counts[0] = 0;
        let of_len = |len| (0..lens.len()).filter(move |&symbol| lens[symbol] == len);
        Self { counts, symbols: (1..16).flat_map(of_len).collect() }
    }
}

/// A writer of consecutive blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    bits: Vec<bool>,
}

/// An item in a block with fixed codes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'a> {
    Literals(&'a [u8]),
    /// A repetition of 3 to 258 bytes.
    Match {
        len: usize,
        distance: usize,
    },
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn stored(mut self, is_final: bool, data: &[u8]) -> Self {
        let pieces = data.chunks(0xffff).chain(data.is_empty().then_some(&[][..]));
        let count = pieces.clone().count();
        for (index, piece) in pieces.enumerate() {
            self.put(usize::from(is_final && index + 1 == count), 3);
            self.align();
            self.put(piece.len(), 16);
            self.put(piece.len() ^ 0xffff, 16);
            piece.iter().for_each(|&byte| self.put(byte.into(), 8));
        }
        self
    }

    pub(crate) fn fixed(mut self, is_final: bool, items: &[Item<'_>]) -> Self {
        self.put(usize::from(is_final) | 1 << 1, 3);
        for item in items {
            match *item {
                Item::Literals(data) => data.iter().for_each(|&byte| self.code(byte.into())),
                Item::Match { len, distance } => self.put_match(len, distance),
            }
        }
        self.code(256);
        if is_final {
            self.align();
        }
        self
    }

    /// Appends bits, starting with the least significant one of each value.
    pub(crate) fn raw(mut self, value: usize, count: u32) -> Self {
        self.put(value, count);
        self
    }

    /// Returns the payload of a message: all blocks and the empty one, without the tail.
    pub(crate) fn payload(mut self) -> Vec<u8> {
        self.put(0, 3);
        self.bytes()
    }

    /// Returns the bytes so far. The last one is filled up with zeros.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.align();
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        self.bits.chunks(8).map(byte).collect()
    }

    fn put(&mut self, value: usize, count: u32) {
        self.bits.extend((0..count).map(|i| value.checked_shr(i).unwrap_or(0) & 1 == 1));
    }

    fn align(&mut self) {
        self.bits.resize(self.bits.len().div_ceil(8) * 8, false);
    }

    /// Appends a code, starting with its most significant bit.
    fn put_code(&mut self, code: usize, len: u32) {
        self.bits.extend((0..len).rev().map(|i| code >> i & 1 == 1));
    }

    fn code(&mut self, symbol: usize) {
        match symbol {
            0..=143 => self.put_code(0x30 + symbol, 8),
            144..=255 => self.put_code(0x190 + symbol - 144, 9),
            256..=279 => self.put_code(symbol - 256, 7),
            _ => self.put_code(0xc0 + symbol - 280, 8),
        }
    }

    fn put_match(&mut self, len: usize, distance: usize) {
        let symbol = LEN_BASE.iter().rposition(|base| *base <= len).expect("3 bytes or more");
        self.code(257 + symbol);
        self.put(len - LEN_BASE[symbol], LEN_BITS[symbol]);
        let symbol = DISTANCE_BASE.iter().rposition(|base| *base <= distance).expect("1 or more");
        self.put_code(symbol, 5);
        self.put(distance - DISTANCE_BASE[symbol], DISTANCE_BITS[symbol]);
    }
}

/// Returns a request that offers these extensions, each in its own field.
pub(crate) fn request(offers: &[&str]) -> Request {
    let mut request = Request::new("GET", "/");
    let fields = [
        ("Host", "localhost"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let offers = offers.iter().map(|offer| ("Sec-WebSocket-Extensions", *offer));
    for (name, value) in fields.into_iter().chain(offers) {
        request.headers_mut().append(name, value).expect("a valid field");
    }
    request
}

/// Returns the response of a server with these settings to an offer, and the result of the
/// negotiation.
pub(crate) fn accept(offers: &[&str], config: &DeflateConfig) -> (Option<String>, Negotiated) {
    let request = request(offers);
    let upgrade = Upgrade::from_request(&request).expect("a valid request");
    let accept = AcceptOptions::new().deflate(config.clone());
    let (response, negotiated) = upgrade.accept(&accept).expect("it is accepted");
    assert_eq!(response.status(), 101);
    (extensions(&response), negotiated)
}

/// Returns all extensions in a response.
pub(crate) fn extensions(response: &Response) -> Option<String> {
    let fields: Vec<&str> = response.headers().get_all("Sec-WebSocket-Extensions").collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

/// Returns a client that makes these offers.
pub(crate) fn client(config: &[DeflateConfig]) -> ClientHandshake {
    let offer = Offer::new().deflate(config.to_vec());
    let uri = "ws://localhost/".parse().expect("a valid URI");
    ClientHandshake::new(&uri, &offer, Key::new(*b"the sample nonce")).expect("it can be offered")
}

/// Returns the extensions that a client with these settings offers.
pub(crate) fn offered(config: &[DeflateConfig]) -> Option<String> {
    let client = client(config);
    client.request().headers().get("Sec-WebSocket-Extensions").map(ToOwned::to_owned)
}

/// Returns the result of a client with these settings for a response with these extensions, each in
/// its own field.
pub(crate) fn verify(
    config: &[DeflateConfig],
    answers: &[&str],
) -> Result<Option<Params>, HandshakeError> {
    let fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];
    let answers = answers.iter().map(|answer| ("Sec-WebSocket-Extensions", *answer));
    let mut response = Response::new(101);
    for (name, value) in fields.into_iter().chain(answers) {
        response.headers_mut().append(name, value).expect("a valid field");
    }
    client(config).verify(&response).map(|negotiated| negotiated.deflate)
}

/// Returns the parameters that two ends with these settings agree on.
#[track_caller]
pub(crate) fn agree(client: &DeflateConfig, server: &DeflateConfig) -> Params {
    let offer = offered(std::slice::from_ref(client)).expect("an offer");
    let (answer, negotiated) = accept(&[&offer], server);
    let answer = answer.expect("an answer");
    let params = verify(std::slice::from_ref(client), &[&answer]).expect("a valid answer");
    assert_eq!(params, negotiated.deflate, "{offer} -> {answer}");
    params.expect("an agreement")
}

/// Returns the receiving side of this role.
pub(crate) fn inbound(role: Role, params: &Params, limits: Limits) -> Inbound {
    let coding = match role {
        Role::Client => params.server,
        Role::Server => params.client,
    };
    Inbound::new(role, limits).with_inflater(Inflater::new(coding))
}

/// Returns the sending side of this role. A client masks with [`KEY`](super::KEY).
pub(crate) fn outbound(role: Role, params: &Params, config: &DeflateConfig) -> Outbound {
    let coding = match role {
        Role::Client => params.client,
        Role::Server => params.server,
    };
    super::outbound(role).with_deflater(Deflater::new(coding, config))
}
