//! The fields of a line of text: `name=value`, where a value that is more than a word is
//! quoted. Names, paths and errors come from outside: none of them can end the line, or
//! look like another field.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

/// Writes fields so.
#[derive(Clone, Copy, Debug)]
pub struct Quoted;

impl<'writer> FormatFields<'writer> for Quoted {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut written = Written { writer, is_first: true, result: Ok(()) };
        fields.record(&mut written);
        written.result
    }
}

struct Written<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl Written<'_> {
    fn put(&mut self, name: &str, value: &str) -> fmt::Result {
        if !std::mem::replace(&mut self.is_first, false) {
            self.writer.write_char(' ')?;
        }
        match name {
            "message" => self.writer.write_str(&escaped(value)),
            _ if is_word(value) => write!(self.writer, "{name}={value}"),
            _ => write!(self.writer, "{name}={value:?}"),
        }
    }
}

impl Visit for Written<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // What came through `log` says twice where it is from.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.put(field.name().trim_start_matches("r#"), value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn is_word(value: &str) -> bool {
    // Braces are where a span begins and ends.
    let may_stand = |char: char| char.is_alphanumeric() || (char.is_ascii_punctuation() && !"\"'=\\{}".contains(char));
    !value.is_empty() && value.chars().all(may_stand)
}

/// A text as it is, but on one line and without anything that moves a cursor.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' | '\'' | '\\' => line.push(char),
            _ => line.extend(char.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written, without the time and what is before the message.
    fn logged(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log_to = tracing_subscriber::fmt()
            .fmt_fields(Quoted)
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(log_to.finish(), log);
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    #[test]
    fn a_word_stands_alone_and_everything_else_is_quoted() {
        let line = logged(|| {
            let (name, path) = ("workspaces/commons/collections/a-b", "/srv/my data");
            tracing::info!(%name, path, count = 3, is_last = false, empty = "", sum = %"a=b", "said");
        });
        let expected = "said name=workspaces/commons/collections/a-b path=\"/srv/my data\" count=3 is_last=false \
                        empty=\"\" sum=\"a=b\"\n";
        assert_eq!(line, expected);
    }

    /// As a request id may be.
    #[test]
    fn nothing_from_outside_ends_its_span_or_begins_a_field() {
        for forged in ["x}:", "{x", "1 caller=apiKeys/root", "caller=x", "x}: stillframe::access: API key revoked"] {
            let line = logged(|| {
                tracing::info_span!("rpc", id = %forged, caller = "c")
                    .in_scope(|| tracing::info!(of = %forged, "said"));
            });
            assert_eq!(line, format!("rpc{{id={forged:?} caller=c}}: said of={forged:?}\n"));
        }
    }

    #[test]
    fn nothing_from_outside_forges_a_line() {
        let forged = "a\n2026-01-01T00:00:00Z ERROR stillframe: all is lost\u{1b}[2K\u{2028}x\r";
        let line = logged(|| {
            let span = tracing::info_span!("rpc", caller = tracing::field::Empty, path = %forged);
            span.in_scope(|| {
                span.record("caller", forged);
                tracing::warn!(name = %forged, ?forged, "it says {forged}");
            });
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with('\n') && !line.trim_end().chars().any(char::is_control), "{line}");
        assert!(!line.contains('\u{2028}'), "{line}");
    }
}
