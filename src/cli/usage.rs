//! What is wrong with a command line, in one sentence.

use std::ffi::OsString;

use clap::{
    Arg, Command, Error,
    error::{ContextKind, ContextValue},
};

use super::log::LogFormat;

/// The commands that are for people at a terminal.
const TOOLS: [&str; 4] = ["demo", "records", "collections", "help"];

/// How a server would have logged, had it come to that.
pub fn log_format(arguments: &[OsString]) -> LogFormat {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    if texts.get(1).is_some_and(|first| TOOLS.contains(&first.as_ref())) {
        return LogFormat::Text;
    }
    let given = texts.iter().enumerate().find_map(|(at, text)| match text.strip_prefix("--log-format")? {
        "" => texts.get(at + 1).map(ToString::to_string),
        rest => rest.strip_prefix('=').map(str::to_owned),
    });
    let said = given.or_else(|| std::env::var("STILLFRAME_LOG_FORMAT").ok());
    if said.as_deref() == Some("json") { LogFormat::Json } else { LogFormat::Text }
}

/// What an error says, without the usage and the hint at `--help` behind it, but with the
/// variable that the value came from.
pub fn sentence(error: &Error, command: &Command, arguments: &[OsString]) -> String {
    let rendered = error.render().to_string();
    let text = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    let parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut said: Vec<String> = parts
        .filter(|part| !part.is_empty() && !["Usage:", "For more information"].iter().any(|of| part.starts_with(of)))
        .collect();
    if let Some(variable) = variable(error, command, arguments) {
        said.push(format!("it comes from {variable}"));
    }
    said.join("; ")
}

/// The variable that a wrong value came from.
fn variable(error: &Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(named)) = error.get(ContextKind::InvalidArg) else { return None };
    let long = named.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let flag = format!("--{long}");
    let is_given = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == flag || argument.strip_prefix(&flag).is_some_and(|rest| rest.starts_with('='))
    };
    let arg = find(command, long)?;
    let variable = arg.get_env().filter(|name| std::env::var_os(name).is_some())?;
    (!arguments.iter().any(is_given)).then(|| variable.to_string_lossy().into_owned())
}

fn find<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|arg| arg.get_long() == Some(long));
    own.or_else(|| command.get_subcommands().find_map(|below| find(below, long)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn told(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = ["stillframe"].iter().chain(arguments).map(Into::into).collect();
        let mut command = Cli::command();
        let error = command.try_get_matches_from_mut(&arguments).unwrap_err();
        sentence(&error, &command, &arguments)
    }

    #[test]
    fn an_error_is_one_sentence_about_its_flag() {
        for (arguments, expected) in [
            (
                &["--max-connections", "x"][..],
                "invalid value 'x' for '--max-connections <MAX_CONNECTIONS>': invalid digit found in string",
            ),
            (&["--grase", "1s"], "unexpected argument '--grase' found; tip: a similar argument exists: '--grace'"),
            (
                &["--log-format", "xml"],
                "invalid value 'xml' for '--log-format <LOG_FORMAT>' [possible values: text, json]",
            ),
            (&["--tls-cert", "c"], "the following required arguments were not provided: --tls-key <TLS_KEY>"),
        ] {
            assert_eq!(told(arguments), expected);
        }
    }

    #[test]
    fn the_form_of_the_log_is_known_before_the_line_is_understood() {
        let format = |arguments: &[&str]| {
            log_format(&["stillframe"].iter().chain(arguments).map(Into::into).collect::<Vec<OsString>>())
        };
        assert_eq!(format(&["--log-format", "json", "--bad"]), LogFormat::Json);
        assert_eq!(format(&["serve", "--bad", "--log-format=json"]), LogFormat::Json);
        assert_eq!(format(&["--log-format", "text"]), LogFormat::Text);
        assert_eq!(format(&["--log-format"]), LogFormat::Text);
        assert_eq!(format(&["records", "--log-format", "json"]), LogFormat::Text);
    }
}
