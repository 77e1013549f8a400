//! Yes or no, in the words that files of settings have for it.

use clap::ValueEnum;

/// Whether something is to be.
pub fn parse(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false; 1 and 0, yes and no, on and off are as good".to_owned()),
    }
}

/// Whether something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Gate {
    /// It is.
    #[value(aliases = ["true", "1", "yes", "on"])]
    Enabled,
    /// It is not.
    #[value(aliases = ["false", "0", "no", "off"])]
    Disabled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_words_for_each() {
        for (yes, no) in [("true", "false"), ("1", "0"), ("yes", "no"), ("on", "off"), ("TRUE", "False")] {
            assert_eq!((parse(yes), parse(no)), (Ok(true), Ok(false)));
        }
        for (yes, no) in [("enabled", "disabled"), ("true", "false"), ("1", "0"), ("Yes", "No"), ("on", "OFF")] {
            let gates = [yes, no].map(|word| Gate::from_str(word, true));
            assert_eq!(gates, [Ok(Gate::Enabled), Ok(Gate::Disabled)]);
        }
        for bad in ["", "y", "2", "enabled", " true"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
