//! What commands say to people, on standard output.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use parking_lot::Mutex;

/// Why the first line was not said that was not.
static UNSAID: Mutex<Option<io::Error>> = Mutex::new(None);

/// Says a line. What cannot be said is no reason to stop, and a reader that went away
/// (`| head`) has read enough.
pub fn say(line: impl Display) {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(UNSAID.lock().get_or_insert(error)),
        _ => {}
    }
}

/// Why something was not said, if something was not. It is asked for at the end.
pub fn unsaid() -> Option<io::Error> {
    UNSAID.lock().take()
}

/// A number with its thousands set apart.
#[must_use]
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 base`, `1,234 bases`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown: Vec<_> = [0, 12, 123, 1234, -123, -1234, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "12", "123", "1,234", "-123", "-1,234", "1,234,567"]);
    }

    #[test]
    fn one_is_told_from_many() {
        let shown = [0, 1, 2].map(|number| counted(number, "base", "bases"));
        assert_eq!(shown, ["0 bases", "1 base", "2 bases"]);
    }
}
