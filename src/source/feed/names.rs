//! Names of objects are text in the contract and in the marks.

use std::fmt::Write;

/// Why an object is not read whose name is none.
pub const NOT_UTF8: &str = "its name is not UTF-8: rename it";

/// A name that is not UTF-8, for people: each byte that is no part of a letter as `\xE9`.
pub fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}
