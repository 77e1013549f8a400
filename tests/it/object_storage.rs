//! What only a storage root on S3 can show.

mod kill;
mod lost;
mod operator;
mod outage;
mod prefix;
mod requests;
mod servers;
mod sources;
mod start;
