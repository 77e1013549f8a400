//! Several clients at the same records and documents at once.

mod documents;
mod history;
mod updates;
