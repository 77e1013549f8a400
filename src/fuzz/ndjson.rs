//! NDJSON. Beside what holds of every format: the records are those of a reader
//! that has all bytes before it and knows nothing of chunks.

use super::records::{is_utf16, read, unmarked};
use crate::source::format::Format;

pub fn ndjson(data: &[u8]) {
    let (all, error) = read(data, Format::NdJson);
    assert_eq!(error, None, "lines cannot be broken");
    if is_utf16(data) {
        return;
    }
    let found = all.iter().map(|record| (record.line, record.content.as_ref().map(AsRef::as_ref)));
    let expected = lines(unmarked(data));
    assert!(found.eq(expected.iter().map(|(line, content)| (Some(*line), Ok(*content)))), "{expected:?}");
}

/// Each line that is not blank, without the spaces before it and its end.
fn lines(data: &[u8]) -> Vec<(u64, &[u8])> {
    let is_space = |byte: &u8| b" \t\r\n".contains(byte);
    let numbered = (1..).zip(data.split(|byte| *byte == b'\n'));
    let with_content = numbered.filter_map(|(number, line)| {
        let start = line.iter().position(|byte| !is_space(byte))?;
        let line = &line[start..];
        Some((number, line.strip_suffix(b"\r").unwrap_or(line)))
    });
    with_content.collect()
}
