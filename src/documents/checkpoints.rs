//! What snapshots and restores stand on: checkpoints, frozen manifests, and lists of files.

pub mod checkpoint;
pub mod files;
pub mod frozen;
pub mod lists;
pub mod saved;
