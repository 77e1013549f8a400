//! What only a storage root on S3 can show.

mod conflicts;
mod given;
mod independent;
mod kill;
mod lost;
mod odd_keys;
mod operator;
mod outage;
mod prefix;
mod refused;
mod requests;
mod servers;
mod sources;
mod start;
