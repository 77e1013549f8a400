//! What an object holds: told by the source, or else by the object's name.

use std::fmt;

/// How an object is divided into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    NdJson,
    /// One array of JSON objects.
    JsonArray,
    /// RFC 4180 with a line of names at the top.
    Csv,
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
}

impl Encoding {
    /// What is given counts; the rest is told by the endings of the name, in any case: `.ndjson`, `.jsonl`, `.json`
    /// (an array), `.csv`, each perhaps followed by `.gz`, `.gzip`, `.zst` or `.zstd`. `None`: nothing tells the
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
            ending if is(ending, &["csv"]) => Some(Format::Csv),
            _ => None,
        };
        Some(Self { format: format.or_else(named)?, compression: compression.unwrap_or(packed) })
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
        Encoding::of(name, None, None).map(|Encoding { format, compression }| (format, compression))
    }

    #[test]
    fn names_tell_format_and_compression() {
        for (ending, format) in [
            ("ndjson", Format::NdJson),
            ("jsonl", Format::NdJson),
            ("json", Format::JsonArray),
            ("csv", Format::Csv),
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
