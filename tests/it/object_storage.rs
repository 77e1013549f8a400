//! What only a storage root on S3 can show.

mod outage;
mod prefix;
mod requests;
mod servers;
mod start;
