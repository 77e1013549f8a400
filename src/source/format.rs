//! What an object holds: told by the source, or else by the object's name.

use std::fmt;

/// The base 2 logarithm of [`MAX_ZSTD_WINDOW`].
pub const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// The most a zstd frame may ask for as its window: 8 MiB. RFC 8878 asks every decoder for this much and every encoder
/// for no more, and the levels up to 19 keep to it; `--ultra` and `--long` do not. The window is memory for as long as
/// the object is read, so the operator's bound on objects read at once is multiplied by it.
pub const MAX_ZSTD_WINDOW: u64 = 1 << MAX_ZSTD_WINDOW_LOG;

/// How an object is divided into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    NdJson,
    /// JSON objects: in one array, one alone, or one after the other; the content tells.
    JsonArray,
    /// RFC 4180 with a line of names at the top.
    Csv,
}

/// How CSV is written, beside what RFC 4180 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// What stands between fields, unless the object's first line says it.
    pub delimiter: u8,
    /// Refuse a header with an empty or repeated name, instead of giving such columns a name.
    pub strict_header: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', strict_header: false }
    }
}

/// Whether a byte may stand between fields.
#[must_use]
pub const fn is_delimiter(byte: u8) -> bool {
    byte == b'\t' || (byte.is_ascii_punctuation() && byte != b'"')
}

/// What a text says of what stands between fields; empty: nothing.
pub fn delimiter(text: &str) -> Result<Option<u8>, &'static str> {
    match text.as_bytes() {
        [] => Ok(None),
        [byte] if is_delimiter(*byte) => Ok(Some(*byte)),
        _ => Err("must be a tab or one of the marks of ASCII but the double quote"),
    }
}

/// How an object is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// How an object is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// What it holds when unpacked.
    pub format: Format,
    /// How to unpack it.
    pub compression: Compression,
    /// How it is written, if it is CSV.
    pub dialect: Dialect,
}

impl Encoding {
    /// What is given counts; the rest is told by the endings of the name, in any case: `.ndjson`, `.jsonl`, `.json`,
    /// `.csv`, `.tsv` (with tabs), each perhaps followed by `.gz`, `.gzip`, `.zst` or `.zstd`. `None`: nothing tells the
    /// format, and the object is not for this source.
    #[must_use]
    pub fn of(name: &str, format: Option<Format>, compression: Option<Compression>) -> Option<Self> {
        let file = name.rsplit('/').next().unwrap_or(name);
        let (stem, packed) = split(file).map_or((file, Compression::None), |(stem, ending)| match ending {
            ending if is(ending, &["gz", "gzip"]) => (stem, Compression::Gzip),
            ending if is(ending, &["zst", "zstd"]) => (stem, Compression::Zstd),
            _ => (file, Compression::None),
        });
        let named = || match split(stem)?.1 {
            ending if is(ending, &["ndjson", "jsonl"]) => Some(Format::NdJson),
            ending if is(ending, &["json"]) => Some(Format::JsonArray),
            ending if is(ending, &["csv", "tsv"]) => Some(Format::Csv),
            _ => None,
        };
        let has_tabs = split(stem).is_some_and(|(_, ending)| is(ending, &["tsv"]));
        let dialect = Dialect { delimiter: if has_tabs { b'\t' } else { b',' }, ..Dialect::default() };
        Some(Self { format: format.or_else(named)?, compression: compression.unwrap_or(packed), dialect })
    }
}

/// A name that begins with its only dot has no ending: it is hidden.
fn split(file: &str) -> Option<(&str, &str)> {
    file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())
}

fn is(ending: &str, known: &[&str]) -> bool {
    known.iter().any(|name| name.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<(Format, Compression)> {
        Encoding::of(name, None, None).map(|Encoding { format, compression, .. }| (format, compression))
    }

    #[test]
    fn delimiters_are_marks() {
        for (text, expected) in
            [("", None), (",", Some(b',')), (";", Some(b';')), ("\t", Some(b'\t')), ("|", Some(b'|'))]
        {
            assert_eq!(delimiter(text), Ok(expected));
        }
        for text in ["\"", "a", "0", " ", "\n", ";;", "é"] {
            assert!(delimiter(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_tell_what_stands_between_fields() {
        let between = |name| Encoding::of(name, None, None).map(|encoding| encoding.dialect.delimiter);
        assert_eq!(between("a.tsv"), Some(b'\t'));
        assert_eq!(between("b/a.TSV.gz"), Some(b'\t'));
        assert_eq!(between("a.tsv.csv"), Some(b','));
        let given = Encoding::of("a.tsv", Some(Format::Csv), None).map(|encoding| encoding.dialect.delimiter);
        assert_eq!(given, Some(b'\t'));
    }

    #[test]
    fn names_tell_format_and_compression() {
        for (ending, format) in [
            ("ndjson", Format::NdJson),
            ("jsonl", Format::NdJson),
            ("json", Format::JsonArray),
            ("csv", Format::Csv),
            ("tsv", Format::Csv),
            ("JSONL", Format::NdJson),
        ] {
            for (packed, compression) in [
                ("", Compression::None),
                (".gz", Compression::Gzip),
                (".gzip", Compression::Gzip),
                (".zst", Compression::Zstd),
                (".zstd", Compression::Zstd),
                (".GZ", Compression::Gzip),
            ] {
                let name = format!("2024.csv/part.0001.{ending}{packed}");
                assert_eq!(named(&name), Some((format, compression)), "{name}");
            }
        }
    }

    #[test]
    fn other_names_tell_nothing() {
        for name in [
            "",
            "json",
            ".json",
            "x/.csv",
            "x/.gz",
            "a.gz",
            "a.json.bz2",
            "a.csv.gz.gz",
            "a.csv/",
            "_SUCCESS",
            "a.json~",
            "a.txt",
            "a.",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_given_counts() {
        let of = |name, format, compression| Encoding::of(name, format, compression).map(|e| (e.format, e.compression));
        assert_eq!(of("part-1", Some(Format::Csv), None), Some((Format::Csv, Compression::None)));
        assert_eq!(of("part-1.gz", Some(Format::Csv), None), Some((Format::Csv, Compression::Gzip)));
        assert_eq!(of("a.json.gz", Some(Format::NdJson), None), Some((Format::NdJson, Compression::Gzip)));
        assert_eq!(of("a.csv.gz", None, Some(Compression::None)), Some((Format::Csv, Compression::None)));
        assert_eq!(of("a.csv", None, Some(Compression::Zstd)), Some((Format::Csv, Compression::Zstd)));
        assert_eq!(of("part-1", None, Some(Compression::Zstd)), None);
    }
}
