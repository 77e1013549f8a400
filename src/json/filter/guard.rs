//! What the parser may see: it descends recursively, left-nested operator chains included, on the caller's stack.

use super::{FilterError, shown};

/// Levels, the outermost included: 16 brackets inside each other.
const MAX_NESTING: usize = 17;

/// Operators between the outermost and the innermost point, which bound the depth of the syntax tree.
const MAX_CHAIN: usize = 48;

/// Since the last separator at one bracket level. `&&` and `||` start anew, because cel balances their chains;
/// `?:` nests to the right through them.
#[derive(Default)]
struct Level {
    operators: usize,
    conditions: usize,
}

/// Counts on the safe side: it need not know CEL's grammar, only where strings and comments are.
pub(super) fn check(text: &str) -> Result<(), FilterError> {
    let mut levels = vec![Level::default()];
    let mut rest = text;
    let mut word = "";
    while let Some(c) = rest.chars().next() {
        let (token, after) = split_token(rest, c, word)?;
        rest = after;
        word = token;
        if !count(token, &mut levels) || levels.len() > MAX_NESTING || total(&levels) > MAX_CHAIN {
            return Err(FilterError::TooComplex);
        }
    }
    Ok(())
}

fn total(levels: &[Level]) -> usize {
    levels.iter().map(|level| level.operators + level.conditions).sum()
}

/// False if there are more closing than opening brackets, beyond which counting makes no sense.
fn count(token: &str, levels: &mut Vec<Level>) -> bool {
    match token {
        "(" | "{" | "[" => {
            levels.push(Level::default());
            return true;
        }
        ")" | "}" | "]" => {
            levels.pop();
        }
        _ => {}
    }
    let Some(level) = levels.last_mut() else {
        return false;
    };
    match token {
        "," => *level = Level::default(),
        "&&" | "||" => level.operators = 0,
        "?" | ":" => level.conditions += 1,
        // A closed bracket was a call, an index or a group: one step in the chain of its surroundings.
        ")" | "}" | "]" | "." | "+" | "-" | "*" | "/" | "%" | "<" | ">" | "=" | "!" | "in" => level.operators += 1,
        _ => {}
    }
    true
}

/// The next token, roughly: a string, a comment, a word, `&&`, `||` or a single character.
fn split_token<'a>(text: &'a str, first: char, previous: &str) -> Result<(&'a str, &'a str), FilterError> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match first {
        '"' | '\'' => string_length(text, previous)?,
        '/' if text.starts_with("//") => text.find('\n').unwrap_or(text.len()),
        '&' if text.starts_with("&&") => 2,
        '|' if text.starts_with("||") => 2,
        c if is_word(c) => text.find(|c| !is_word(c)).unwrap_or(text.len()),
        c => c.len_utf8(),
    };
    text.split_at_checked(length).ok_or(FilterError::TooComplex)
}

/// The word just before tells whether backslashes count. An unknown prefix is refused: guessing wrong would
/// hide brackets from the count.
fn string_length(text: &str, previous: &str) -> Result<usize, FilterError> {
    let raw = match previous.to_ascii_lowercase().as_str() {
        "r" | "br" | "rb" => true,
        "b" => false,
        other if other.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
            return Err(FilterError::Syntax(format!("unexpected string after {}", shown(other))));
        }
        _ => false,
    };
    let quote = if text.starts_with("\"\"\"") {
        "\"\"\""
    } else if text.starts_with("'''") {
        "'''"
    } else {
        text.get(..1).unwrap_or_default()
    };
    let mut at = quote.len();
    while let Some(rest) = text.get(at..) {
        if rest.starts_with(quote) {
            return Ok(at + quote.len());
        }
        let mut chars = rest.chars();
        match chars.next() {
            Some('\\') if !raw => at += 1 + chars.next().map_or(0, char::len_utf8),
            Some('\n') if quote.len() == 1 => break,
            Some(c) => at += c.len_utf8(),
            None => break,
        }
    }
    Err(FilterError::Syntax("unterminated string".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_filters_pass() {
        let many_terms = (0..200).map(|i| format!("doc.a == {i}")).collect::<Vec<_>>().join(" || ");
        let long_list = format!("doc.a in [{}]", (0..500).map(|i| i.to_string()).collect::<Vec<_>>().join(", "));
        for text in
            [many_terms.as_str(), &long_list, "doc.a.b.c[0].d + 1 < 7 ? has(doc.x) : true", "r'\\' == \"\\\"\" // ((("]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn nesting_and_chains_are_bounded() {
        for text in [
            "(".repeat(25),
            "[".repeat(25),
            "{".repeat(25),
            "1+".repeat(100),
            "-".repeat(100),
            "- ".repeat(100),
            "!".repeat(100),
            "a.".repeat(100),
            "a[0]".repeat(100).replace("]a", "]"),
            "a ? b : ".repeat(60),
            "a || b ? c : ".repeat(60),
            "x in ".repeat(100),
            "f()".repeat(100),
            ")".repeat(3),
            "a==".repeat(60),
        ] {
            assert_eq!(check(&text), Err(FilterError::TooComplex), "{text}");
        }
    }

    #[test]
    fn strings_cannot_hide_brackets() {
        let deep = "(".repeat(40);
        for start in ["'' ", "\"\\\"\" ", "r'\\' ", "''' ' ''' ", "b'\\'' ", "// '\n"] {
            assert_eq!(check(&format!("{start}{deep}")), Err(FilterError::TooComplex), "{start}");
        }
        assert!(matches!(check(&format!("foor'\\' {deep} '")), Err(FilterError::Syntax(_))));
        assert!(matches!(check("'abc"), Err(FilterError::Syntax(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", code in "[a-zé0-9 .()\\[\\]{}'\"\\\\r/&|?:\n]{0,60}") {
            let _ = (check(&text), check(&code));
        }
    }
}
