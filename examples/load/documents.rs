//! Documents of about 1 KB, made from a number and a version alone, so that
//! what comes back can be checked byte for byte without keeping what was sent.
//!
//! A body is a head of fixed layout with the numbers, made for each document,
//! and one of a few thousand tails made beforehand: the client shares its cores
//! with the server and must not be what is measured.

use std::sync::Arc;

use stillframe::pb;

use crate::{
    Result, check,
    random::{Random, mix},
};

const TAILS: u64 = 2048;
/// 2024-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_704_067_200;
/// The first byte of the version's ten digits in a body, and the number that
/// keeps them ten.
const VERSION_AT: usize = br#"{"version":"#.len();
const VERSION_BASE: u64 = 1_000_000_000;
/// Ids have twelve digits; numbers below 2^39 fit, and can be permuted by an
/// odd factor.
const ID_BITS: u32 = 39;
const ID_FACTOR: u64 = 0x4f_1bbc_dcbf;

/// In which order ids come.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Consecutive numbers lie far apart.
    Spread,
    /// Ids ascend.
    Sequential,
}

/// Which document, and which of its versions (from 1).
pub type Target = (u64, u64);

/// When documents happened.
#[derive(Clone, Copy)]
pub enum Times {
    /// A second apart, from a day in the past on.
    Fixed,
    /// Spread over a span of microseconds, in the order of the documents or in
    /// none.
    Within { first: i64, span: i64, count: u64, shuffled: bool },
}

#[derive(Clone)]
pub struct Documents {
    tails: Arc<[Vec<u8>]>,
    order: Order,
    times: Times,
}

impl Documents {
    pub fn new(order: Order) -> Self {
        let mut random = Random::new(1);
        Self { tails: (0..TAILS).map(|_| tail(&mut random)).collect(), order, times: Times::Fixed }
    }

    pub fn at(self, times: Times) -> Self {
        Self { times, ..self }
    }

    /// A microsecond later with each version, so that it shows.
    pub fn micros(&self, (index, version): Target) -> i64 {
        let micros = match self.times {
            Times::Fixed => (EPOCH_SECONDS + index as i64) * 1_000_000,
            Times::Within { first, span, count, shuffled } => {
                let place = if shuffled { mix(index) % count } else { index % count };
                first + (i128::from(span) * i128::from(place) / i128::from(count)) as i64
            }
        };
        micros + (version % 1_000_000) as i64
    }

    fn event_time(&self, target: Target) -> prost_types::Timestamp {
        let micros = self.micros(target);
        prost_types::Timestamp {
            seconds: micros.div_euclid(1_000_000),
            nanos: micros.rem_euclid(1_000_000) as i32 * 1_000,
        }
    }

    pub fn id(&self, index: u64) -> String {
        let number = match self.order {
            Order::Spread => index.wrapping_mul(ID_FACTOR) & ((1 << ID_BITS) - 1),
            Order::Sequential => index,
        };
        let mut id = Vec::with_capacity(16);
        id.extend_from_slice(b"doc-");
        push_digits(&mut id, number, 12);
        String::from_utf8(id).unwrap_or_default()
    }

    /// The inverse of `id`.
    pub fn index(&self, id: &str) -> Option<u64> {
        let number: u64 = id.strip_prefix("doc-").filter(|n| n.len() == 12)?.parse().ok()?;
        Some(match self.order {
            Order::Spread => number.wrapping_mul(inverse(ID_FACTOR)) & ((1 << ID_BITS) - 1),
            Order::Sequential => number,
        })
    }

    pub fn body(&self, (index, version): Target) -> Vec<u8> {
        let scatter = mix(index ^ version.rotate_left(40));
        let tail = &self.tails[(scatter % TAILS) as usize];
        let more = mix(scatter);
        let mut body = Vec::with_capacity(tail.len() + 192);
        body.extend_from_slice(br#"{"version":"#);
        push_digits(&mut body, VERSION_BASE + version, 10);
        body.extend_from_slice(br#","number":"#);
        push_digits(&mut body, 100_000_000_000 + index, 12);
        // 19 digits, beyond 2^53: a server that reads it as a float shows.
        body.extend_from_slice(br#","sequence":"#);
        push_digits(&mut body, (1 << 62) | (scatter >> 2), 19);
        body.extend_from_slice(br#","checksum":""#);
        push_hex(&mut body, more);
        push_hex(&mut body, mix(more));
        body.extend_from_slice(br#"","score":0."#);
        push_digits(&mut body, more % 1_000_000_000, 9);
        body.extend_from_slice(br#","balance":-1"#);
        push_digits(&mut body, scatter % 1_000_000, 6);
        body.push(b'.');
        push_digits(&mut body, more % 100, 2);
        body.extend_from_slice(tail);
        body
    }

    /// What `size_bytes` counts for it.
    pub fn size(&self, target: Target) -> u64 {
        (self.id(target.0).len() + 8 + self.body(target).len()) as u64
    }

    pub fn upsert(&self, target: Target) -> pb::Write {
        let document = pb::Document {
            id: self.id(target.0),
            event_time: Some(self.event_time(target)),
            body: Some(pb::document::Body::Json(self.body(target).into())),
            etag: String::new(),
        };
        pb::Write { operation: Some(pb::write::Operation::Upsert(document)), ..Default::default() }
    }

    /// Says which document and version this is, having checked every byte.
    pub fn recognise(&self, document: &pb::Document) -> Result<Target> {
        let target = self.claimed(document).ok_or_else(|| format!("{} was never written", document.id))?;
        let whole = json(document) == self.body(target)
            && document.event_time == Some(self.event_time(target))
            && !document.etag.is_empty();
        check(whole, || format!("{} differs from its version {}", document.id, target.1))?;
        Ok(target)
    }

    fn claimed(&self, document: &pb::Document) -> Option<Target> {
        let digits = json(document).get(VERSION_AT..VERSION_AT + 10)?;
        let version: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some((self.index(&document.id)?, version.checked_sub(VERSION_BASE)?))
    }
}

pub fn json(document: &pb::Document) -> &[u8] {
    match &document.body {
        Some(pb::document::Body::Json(json)) => json,
        _ => &[],
    }
}

const WORDS: &str = "\
    harbour the of winter and signal a copper to lantern in meadow quiet river is engine \
    with orchard glass on thunder paper for bridge slow as compass green by station silver \
    that island morning from cedar voyage or naïve façade Straße smörgås 東京 москва ελιά café \
    frontier granite under velvet window autumn at falcon garden hollow ivory juniper \
    kestrel ledger marble nectar olive prairie quartz ribbon saffron timber umber vessel \
    willow yonder zephyr almanac beacon cinder drift ember fathom gully hearth inlet";
const NAMES: &[&str] = &["Zoë Müller", "Jörg Łukasik", "Ana Peña", "Søren Ågård", "李小龍", "Amélie Dûval"];
const CITIES: &[&str] = &["København", "Zürich", "São Paulo", "東京", "Kraków", "Reykjavík", "Oaxaca"];

/// Everything behind the numbers: text, a nested object, arrays. The length is
/// chosen so that a whole body has 960 to 1,039 bytes.
fn tail(random: &mut Random) -> Vec<u8> {
    let words = &WORDS.split(' ').collect::<Vec<_>>();
    let pick = |random: &mut Random, from: &[&'static str]| from[random.below(from.len() as u64) as usize];
    let mut tail = format!(
        concat!(
            r#","active":{},"kind":"{}","rating":{}.{},"author":{{"name":"{}","city":"{}","#,
            r#""key":"{:016x}","since":{}}},"tags":["{}","{}","{}"],"history":[{},{},{},{}],"#,
            r#""place":{{"latitude":{}.{:06},"longitude":-{}.{:06},"altitude":null}},"#,
            r#""revision":{{"by":"{}","note":{{"depth":[[{}],[{},{}]]}}}},"#,
            r#""digest":"{:016x}{:016x}","language":"{}","text":""#,
        ),
        random.below(2) == 0,
        pick(random, words),
        random.below(5),
        random.below(10),
        pick(random, NAMES),
        pick(random, CITIES),
        random.next(),
        1990 + random.below(36),
        pick(random, words),
        pick(random, words),
        pick(random, words),
        random.below(100_000),
        random.below(100_000),
        random.below(100_000),
        random.below(100_000),
        random.below(90),
        random.below(1_000_000),
        random.below(180),
        random.below(1_000_000),
        pick(random, NAMES),
        random.below(1_000),
        random.below(1_000),
        random.below(1_000),
        random.next(),
        random.next(),
        pick(random, &["da", "de", "en", "es", "fr", "ja", "pl", "pt"]),
    )
    .into_bytes();
    let length = 795 + random.below(80) as usize;
    let mut space = false;
    while tail.len() < length - 2 {
        let word = if space { " " } else { pick(random, words) };
        // A word that does not fit is replaced by dots, never cut in a character.
        if tail.len() + word.len() > length - 2 {
            tail.resize(length - 2, b'.');
            break;
        }
        tail.extend_from_slice(word.as_bytes());
        space = !space;
    }
    tail.extend_from_slice(br#""}"#);
    tail
}

fn push_digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn push_hex(out: &mut Vec<u8>, number: u64) {
    out.extend((0..16).rev().map(|nibble| b"0123456789abcdef"[(number >> (4 * nibble)) as usize & 15]));
}

/// The inverse of an odd number modulo 2^64, by Newton: each step doubles the
/// number of right bits, beginning with three.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_be_read_back_and_bodies_are_about_a_kilobyte() {
        for order in [Order::Spread, Order::Sequential] {
            let documents = Documents::new(order);
            for index in (0..2_000).chain([123_456_789]) {
                assert_eq!(documents.index(&documents.id(index)), Some(index));
                let length = documents.body((index, 1)).len();
                assert!((950..=1050).contains(&length), "{length} bytes");
            }
        }
    }
}
