//! `SnapshotService`.

mod bad_input;
mod bell;
mod billing;
mod consistency;
mod create;
mod delete;
mod etag;
mod exclusive;
mod expiration;
mod expiry;
mod failed;
mod files;
mod gates;
mod lists;
mod min_offset;
mod names;
mod race;
mod request_id;
pub mod siblings;
mod survival;
mod tombstones;
mod turns;
mod update;
mod watch;
