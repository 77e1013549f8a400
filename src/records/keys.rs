//! The kinds of records by their keys: a letter for the kind, then the ids, each behind a
//! `/`, which no id contains.

/// What records of a key's kind are called.
pub(super) fn kind_of(key: &[u8]) -> &'static str {
    kind_and_message_of(key).0
}

/// The same, and the name of their message; none for an unknown kind.
pub(super) fn kind_and_message_of(key: &[u8]) -> (&'static str, Option<&'static str>) {
    let (kind, message) = match key.split(|byte| *byte == b'/').next() {
        Some(b"access") => ("access policy", "AccessPolicy"),
        Some(b"h") => ("bootstrap secret", "BootstrapSecret"),
        Some(b"k") => ("API key", "ApiKey"),
        Some(b"w") => ("workspace", "Workspace"),
        Some(b"c") => ("collection", "Collection"),
        Some(b"e") => ("expected state", "Expected"),
        Some(b"x") => ("retired collection", "Retired"),
        Some(b"i") => ("intent", "Intent"),
        Some(b"s") => ("snapshot", "Snapshot"),
        Some(b"r") => ("restore", "Restore"),
        Some(b"q") => ("request id", "RequestId"),
        Some(b"o") => ("source", "Source"),
        Some(b"p") => ("source position", "SourcePosition"),
        Some(b"y") => ("retired source", "RetiredSource"),
        _ => return ("unknown", None),
    };
    (kind, Some(message))
}

/// Whether a record of version 0.1.0 belongs in the log: the others were caches, or
/// said whose the records are, which every entry does.
pub(super) fn is_logged(key: &[u8]) -> bool {
    !(key.starts_with(b"instance/") || key.starts_with(b"t/") || key.starts_with(b"u/"))
}
