//! What a connection may do before somebody has been let in on it.
//!
//! What is refused waits for its turn among all other work, and ends then. So a stranger is
//! listened to as slowly as refusals get done, and others' calls do not wait behind its own.

/// Bytes that are read at once: as many as a message may have then.
pub const READ_BYTES: usize = 4 << 10;
/// Questions that need no key (health checks, their watches, reflection) at once.
pub const QUESTIONS: usize = 16;
/// Calls that are alive, while it is read.
pub const CALLS: usize = 2 * QUESTIONS;
/// Resets a second, for each stream that may be open, for as long as it likes.
pub const RESETS_A_SECOND: u64 = 2;
