//! Which version this is, and what it was built from.

/// The version of the service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, in full; with `-dev` behind it in a build that is none of a
/// release, and may have what came later. `unknown` for one that had neither a checkout of git
/// nor `STILLFRAME_COMMIT`.
pub const COMMIT: &str = env!("STILLFRAME_BUILT_FROM");

/// Both, for people.
pub const FULL: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("STILLFRAME_BUILT_FROM"), ")");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_one_word() {
        assert!(
            !COMMIT.is_empty() && COMMIT.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        );
        assert_eq!(FULL, format!("{VERSION} ({COMMIT})"));
    }
}
