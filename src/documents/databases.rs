//! Databases: how they are opened and closed, what they share, and what of them may go.

pub mod buffers;
mod flush;
pub mod keep;
pub mod newest_time;
pub mod store;
pub mod ticks;
mod young;
