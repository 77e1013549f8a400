//! How much of what takes long is run.
//!
//! The gate is to be quick, and each run of it draws anew, so it visits a part of what a
//! model or a series of kills could visit. `STILLFRAME_TEST_WHOLE=1` runs all of it. What
//! is asserted is the same in both.

/// How often something that takes long is done: `whole` times if
/// `STILLFRAME_TEST_WHOLE` is `1`, otherwise `gate` times, and at least
/// once.
pub fn rounds(gate: u32, whole: u32) -> u32 {
    assert!(0 < gate && gate <= whole, "{gate} of {whole}");
    if is_whole() { whole } else { gate }
}

/// Whether all of it is run.
pub fn is_whole() -> bool {
    std::env::var_os("STILLFRAME_TEST_WHOLE").is_some_and(|value| value == "1")
}
