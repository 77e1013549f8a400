//! A text that is looked for in others.

/// Finds each place of a text in another, overlapping ones too, in one pass over it, as Knuth,
/// Morris and Pratt do: both come from clients, and whoever begins anew behind each place reads
/// a text that repeats itself once for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {
    text: String,
    /// For its first byte, its first two, and so on: how many of them it ends with that are also its beginning.
    borders: Vec<usize>,
}

impl Needle {
    pub fn new(text: &str) -> Self {
        let mut needle = Self { text: text.to_owned(), borders: Vec::with_capacity(text.len()) };
        let mut fitting = 0;
        for (at, byte) in text.bytes().enumerate() {
            fitting = if at == 0 { 0 } else { needle.step(fitting, byte) };
            needle.borders.push(fitting);
        }
        needle
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is a place that is accepted. It is told by its first byte.
    pub fn is_found(&self, text: &str, accepts: impl Fn(usize) -> bool) -> bool {
        // Most texts have none, which the standard library is quick to tell.
        let Some(first) = (self.text.len() <= text.len()).then(|| text.find(&self.text)).flatten() else {
            return false;
        };
        let mut fitting = 0;
        accepts(first)
            || text.bytes().enumerate().skip(first).any(|(at, byte)| {
                fitting = self.step(fitting, byte);
                fitting == self.text.len() && accepts(at + 1 - fitting)
            })
    }

    /// How many bytes of it fit up to this byte, after so many fitted before it.
    fn step(&self, mut fitting: usize, byte: u8) -> usize {
        loop {
            if self.text.as_bytes().get(fitting) == Some(&byte) {
                return fitting + 1;
            }
            let Some(border) = fitting.checked_sub(1).and_then(|last| self.borders.get(last)) else { return 0 };
            fitting = *border;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn places(needle: &str, text: &str) -> Vec<usize> {
        let found = Cell::new(Vec::new());
        let all = Needle::new(needle).is_found(text, |at| {
            let mut places = found.take();
            places.push(at);
            found.set(places);
            false
        });
        assert!(!all);
        let mut found = found.into_inner();
        found.dedup();
        found
    }

    #[test]
    fn places_overlap() {
        assert_eq!(places("aa", "aaaa"), [0, 1, 2]);
        assert_eq!(places("abab", "xababab"), [1, 3]);
        assert_eq!(places("aab", "aaab"), [1]);
        assert_eq!(places("é", "eéé"), [1, 3]);
        assert!(places("ab", "a").is_empty());
    }

    /// Whoever read the text anew for each place would still be reading tomorrow.
    #[test]
    fn texts_that_repeat_themselves_are_read_once() {
        let text = "a".repeat(2 << 20);
        assert_eq!(places(&"a".repeat(4000), &text).len(), text.len() - 3999);
        assert!(places(&format!("{}b", "a".repeat(4000)), &text).is_empty());
    }
}
