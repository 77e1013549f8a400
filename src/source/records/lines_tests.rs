use proptest::{collection::vec, prelude::*};

use super::tests::{contents, read};
use super::*;

fn lines(object: &str) -> Vec<(u64, String)> {
    let (records, error) = read(object.to_owned(), Format::NdJson);
    assert_eq!(error, None);
    records.iter().map(|record| record.line.unwrap()).zip(contents(&records)).collect()
}

#[test]
fn lines_are_records_unless_blank() {
    let line = |number, text: &str| (number, text.to_owned());
    assert_eq!(lines(""), []);
    assert_eq!(lines("\n\r\n \t \r\n\n"), []);
    assert_eq!(lines("   "), []);
    assert_eq!(lines("1"), [line(1, "1")]);
    assert_eq!(lines("1\r"), [line(1, "1")]);
    assert_eq!(lines("1\n2\r\n3"), [line(1, "1"), line(2, "2"), line(3, "3")]);
    assert_eq!(lines("\n\n {\"a\": 1} \r\n\r\nnot JSON\n"), [line(3, "{\"a\": 1} "), line(5, "not JSON")]);
    // Only `\n` ends a line; a `\r` elsewhere is the record's.
    assert_eq!(lines("1\r2\r\r\n"), [line(1, "1\r2\r")]);
    // What JSON does not call space is content.
    assert_eq!(lines("\u{b}\n\u{a0}\n"), [line(1, "\u{b}"), line(2, "\u{a0}")]);
}

proptest! {
    #[test]
    fn lines_are_those_of_the_text(text in "[ a\"\u{e4}\r\n]{0,60}", rows in vec("[ -~]{0,20}", 0..10), ends in vec("\r?\n", 10)) {
        let written: String = rows.iter().zip(&ends).map(|(row, end)| format!("{row}{end}")).collect();
        for text in [text, written] {
            let expected: Vec<_> = (1..)
                .zip(text.split('\n'))
                .map(|(number, line)| (number, line.trim_start_matches([' ', '\t', '\r']).to_owned()))
                .filter(|(_, line)| !line.is_empty())
                .map(|(number, line)| (number, line.strip_suffix('\r').unwrap_or(&line).to_owned()))
                .collect();
            prop_assert_eq!(lines(&text), expected);
        }
    }
}
