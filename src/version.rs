//! Which build this is.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from.
pub const COMMIT: &str = match option_env!("STILLFRAME_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
