//! What holds for every format: O1, O2 and O3.

use std::task::Poll;

use futures::executor::block_on;
use proptest::{collection::vec, prelude::*};

use super::super::{
    decode::decode,
    format::Compression,
    testing::{Chunks, broken_off, cut, pack, whole},
};
use super::*;

pub(super) const FORMATS: [Format; 3] = [Format::NdJson, Format::JsonArray, Format::Csv];

/// The records of an object from `start` on, and why there are no more.
pub(super) fn read_from(start: u64, stream: Chunks, format: Format) -> (Vec<Record>, Option<String>) {
    let mut records = Records::new(decode(stream, Compression::None), format);
    records.skip_to(start);
    let (all, error) = drain(&mut records);
    (all, error.map(|error| error.to_string()))
}

pub(super) fn read(object: impl Into<Bytes>, format: Format) -> (Vec<Record>, Option<String>) {
    let object = object.into();
    let once = read_from(0, whole(object.clone()), format);
    assert_eq!(read_from(0, cut(object, &[1]), format), once, "O1");
    once
}

pub(super) fn drain(records: &mut Records) -> (Vec<Record>, Option<ReadError>) {
    block_on(async {
        let mut all = Vec::new();
        loop {
            match records.next().await {
                Ok(None) => return (all, None),
                Ok(Some(record)) => all.push(record),
                Err(error) => {
                    assert_eq!(records.next().await.unwrap_err().to_string(), error.to_string());
                    return (all, Some(error));
                }
            }
        }
    })
}

/// The contents, with the reasons of bad ones in angle brackets; numbers must be without a gap.
pub(super) fn contents(records: &[Record]) -> Vec<String> {
    let numbers = records.iter().map(|record| record.number);
    assert!(numbers.eq(0..records.len() as u64), "{records:?}");
    let content = |record: &Record| match &record.content {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(reason) => format!("<{reason}>"),
    };
    records.iter().map(content).collect()
}

/// Objects near to what each format expects: an alphabet that meets every state, and records that repeat.
fn object() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let ndjson = "(\u{FEFF})?(\\{\"a\":[0-9]{1,3}\\}|[ \t]|x|\r|\n|\r\n|ä){0,30}";
    let array = "(\u{FEFF})?[ \n]?\\[(([ ]?(\\{\"a\":\\[[0-9],\"\\]\"\\]\\}|\"[^\"]{0,3}\\\\\"\"|-1|null|\\[\\]) ?,){0,8}(1|[\\[\\]{}\",a \\\\]{0,5}))\\]? ?";
    let csv = "(\u{FEFF})?a,b(\r\n|\n)((x|\"y\"|\"\r\n\"|\"\"\"\"|ä|)(,|\n|\r\n|\r)){0,30}\"?";
    prop_oneof![
        ndjson.prop_map(|text| (Format::NdJson, text.into_bytes())),
        array.prop_map(|text| (Format::JsonArray, text.into_bytes())),
        csv.prop_map(|text| (Format::Csv, text.into_bytes())),
        (0..3_usize, vec(prop::sample::select(b"\xEF\xBB\xBF[]{}\",:\\\r\n a1\x00\xC3".to_vec()), 0..40))
            .prop_map(|(format, bytes)| (FORMATS[format], bytes)),
    ]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(0_usize..20, 1..6).prop_filter("some", |sizes| sizes.iter().any(|size| *size > 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// O1
    #[test]
    fn chunks_do_not_matter((format, object) in object(), sizes in sizes()) {
        prop_assert_eq!(read_from(0, cut(object.clone(), &sizes), format), read_from(0, whole(object), format));
    }

    /// O1
    #[test]
    fn reading_on_equals_having_read((format, object) in object(), sizes in sizes()) {
        let (all, error) = read_from(0, whole(object.clone()), format);
        for start in 0..=all.len() + 1 {
            let (rest, end) = read_from(start as u64, cut(object.clone(), &sizes), format);
            prop_assert_eq!(&rest[..], all.get(start..).unwrap_or_default(), "from {}", start);
            prop_assert_eq!(&end, &error);
        }
    }

    /// O1: whatever is given up and asked for again, in the middle of a record too.
    #[test]
    fn giving_up_loses_nothing((format, object) in object(), sizes in sizes(), skips in vec(0_u64..8, 0..4)) {
        let (all, error) = read_from(0, whole(object.clone()), format);
        let mut records = Records::new(decode(cut(object, &sizes), Compression::None), format);
        let (mut seen, mut skips, mut wanted) = (Vec::new(), skips.into_iter(), 0);
        let end = loop {
            match block_on(async { futures::poll!(Box::pin(records.next())) }) {
                Poll::Ready(Ok(Some(record))) => { wanted = record.number + 1; seen.push(record) }
                Poll::Ready(end) => break end.err().map(|error| error.to_string()),
                Poll::Pending => if let Some(skip) = skips.next() { wanted = wanted.max(skip); records.skip_to(skip) },
            }
        };
        prop_assert_eq!(end, error);
        let expected = all.iter().filter(|record| seen.iter().any(|other| other.number == record.number));
        prop_assert!(seen.iter().eq(expected));
        prop_assert!(all.iter().all(|record| record.number < wanted), "{} of {:?}", wanted, all);
    }

    /// O2
    #[test]
    fn a_cut_object_has_the_records_before_the_cut((format, object) in object(), at: prop::sample::Index, gzip: bool) {
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let (all, _) = read_from(0, whole(object.clone()), format);
        let packed = pack(&object, compression);
        let packed = packed[..at.index(packed.len())].to_vec();
        let (some, error) = drain(&mut Records::new(decode(whole(packed), compression), format));
        prop_assert!(all.starts_with(&some), "{:?} {:?}", some, all);
        prop_assert!(matches!(error, Some(ReadError::Truncated(_) | ReadError::Structure { .. })), "{:?}", error);
    }
}

/// O2
#[test]
fn records_before_a_failure_are_delivered() {
    for (format, object, found) in [
        (Format::NdJson, "{\"a\":1}\n{\"a\":2}\n{\"a\"", 2),
        (Format::JsonArray, "[{\"a\":1},{\"a\":2}", 2),
        (Format::Csv, "a\n1\n2\n3", 2),
    ] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let stream = broken_off(pack(object.as_bytes(), compression));
            let mut records = Records::new(decode(stream, compression), format);
            let (all, error) = drain(&mut records);
            assert_eq!(all.len(), found, "{format:?} {compression}");
            assert!(error.is_some_and(|error| error.is_transient()));
        }
    }
}

/// O2
#[test]
fn a_cut_off_end_costs_only_the_end() {
    let lines: String = (0..20_000).map(|i| format!("{{\"key\":{}}}\n", i * i % 99_991)).collect();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let packed = pack(lines.as_bytes(), compression);
        let cut_off = packed[..packed.len() - 9].to_vec();
        let (records, error) = drain(&mut Records::new(decode(cut(cut_off, &[5000]), compression), Format::NdJson));
        assert!(matches!(error, Some(ReadError::Truncated(c)) if c == compression), "{error:?}");
        assert!(records.len() > 10_000, "{compression} {}", records.len());
        assert!(contents(&records).iter().zip(lines.lines()).all(|(record, line)| record == line));
    }
}

#[test]
fn records_can_move_between_threads() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let mut records = sent(Records::new(decode(whole("1"), Compression::None), Format::NdJson));
    assert!(block_on(sent(records.next())).unwrap().is_some());
}

#[test]
fn a_number_beyond_the_end_shows() {
    let mut records = Records::new(decode(whole(&b"1\n2\n"[..]), Compression::None), Format::NdJson);
    records.skip_to(3);
    assert_eq!(drain(&mut records).0, []);
    assert_eq!(records.next_number(), 2);
    assert_eq!(records.position(), 4);
}

#[test]
fn a_byte_order_mark_is_passed_over_once() {
    for (format, content) in [(Format::NdJson, "1"), (Format::JsonArray, "[1]"), (Format::Csv, "a\n1")] {
        let (once, error) = read(format!("\u{FEFF}{content}"), format);
        assert_eq!((once.len(), error), (1, None), "{format:?}");
        let broken = read(format!("\u{FEFF}\u{FEFF}{content}"), format);
        match format {
            Format::NdJson => assert_eq!(contents(&broken.0), ["\u{FEFF}1"]),
            Format::JsonArray => {
                assert_eq!(broken.1.unwrap(), "at byte 3 (unpacked): expected '[' or '{' but found byte 0xEF");
            }
            Format::Csv => assert_eq!(contents(&broken.0), ["{\"\u{FEFF}a\":\"1\"}"]),
        }
    }
    // Beginnings of one.
    assert_eq!(read(&b"\xEF\xBB1\n2"[..], Format::NdJson).0.len(), 2);
    assert_eq!(read(&b"\xEF"[..], Format::NdJson).0.len(), 1);
    assert_eq!(
        read(&b"\xEF\xBB[]"[..], Format::JsonArray).1.unwrap(),
        "at byte 0 (unpacked): expected '[' or '{' but found byte 0xEF"
    );
    assert!(read(&b"\xEF\xBB,b"[..], Format::Csv).1.unwrap().ends_with("the header is not UTF-8"));
}

/// A record may have 2 MiB + 64 KiB, and not a byte more, whatever ends it.
#[test]
fn the_longest_record_is_the_longest() {
    let text = |length: usize| "x".repeat(length);
    for (format, head, quotes, ends) in [
        (Format::NdJson, "", 0, &["", "\n", "\r\n", "\n1"][..]),
        (Format::NdJson, "\n  ", 0, &["", "\r\n1"]),
        (Format::JsonArray, "[\"", 2, &["\"]", "\" ,1]"]),
        (Format::JsonArray, "[", 0, &["]", ",1]", " ]"]),
    ] {
        for (length, end) in
            [0, 1, 2].into_iter().flat_map(|more| ends.iter().map(move |end| (MAX_RECORD_BYTES - 1 + more, end)))
        {
            let object = format!("{head}{}{end}", text(length - quotes));
            for sizes in [&[usize::MAX][..], &[4096], &[MAX_RECORD_BYTES - 7, 1]] {
                let (records, error) = read_from(0, cut(object.clone(), sizes), format);
                assert_eq!(error, None);
                assert_eq!(records.len(), 1 + usize::from(end.contains('1')));
                match &records[0].content {
                    Ok(bytes) => {
                        assert!(bytes.len() == length && length <= MAX_RECORD_BYTES, "{format:?} {length} {end:?}");
                    }
                    Err(reason) => assert!(
                        *reason == BadRecord::TooLong && length > MAX_RECORD_BYTES,
                        "{format:?} {length} {end:?}"
                    ),
                }
            }
        }
    }
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let units = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn utf_16_with_a_byte_order_mark_is_read_as_utf_8() {
    let long = "ä😀".repeat(20_000);
    for (format, object) in [
        (Format::NdJson, format!("{{\"a\":\"ä😀\"}}\n\n{{\"b\":\"{long}\"}}\r\nx")),
        (Format::JsonArray, "[{\"a\":\"\u{FFFD}\"},1]".to_owned()),
        (Format::JsonArray, "{\n\"a\":\"ä\"}".to_owned()),
        (Format::Csv, "sep=;\na;ä\n1;\"😀\"\n".to_owned()),
        (Format::NdJson, String::new()),
    ] {
        let expected = read(object.clone(), format);
        for big_endian in [false, true] {
            assert_eq!(read(utf16(&object, big_endian), format), expected, "{format:?}");
        }
    }
}

#[test]
fn what_is_no_utf_16_costs_its_record() {
    for big_endian in [false, true] {
        let unit = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let line = |text: &str| utf16(text, big_endian)[2..].to_vec();
        let object = [
            utf16("a\n1\n", big_endian),
            unit(0xD83D).to_vec(),
            line("x\n"),
            unit(0xDE00).to_vec(),
            line("\n2\n"),
            unit(0xD83D).to_vec(),
            vec![0],
        ];
        let (records, error) = read(object.concat(), Format::Csv);
        let bad = "<is not UTF-8>";
        assert_eq!(
            (contents(&records), error),
            ([r#"{"a":"1"}"#, bad, bad, r#"{"a":"2"}"#, bad].map(str::to_owned).to_vec(), None)
        );
    }
    // Half a mark is none.
    for start in [&b"\xFF"[..], b"\xFE", b"\xFFx", b"\xFE\xFEx"] {
        let (records, error) = read(start.to_vec(), Format::NdJson);
        assert_eq!((records[0].content.as_deref().ok(), error), (Some(start), None));
    }
}
