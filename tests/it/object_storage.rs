//! What only a storage root on S3 can show.

#[path = "recovery/child.rs"]
mod child;
mod kill;
mod outage;
mod prefix;
mod requests;
mod servers;
mod sources;
mod start;
