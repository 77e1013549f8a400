//! The S3 server of these tests, as the client of the service sees it.

mod access;
mod conditions;
mod faults;
mod given;
mod keys;
mod lists;
mod multipart;
mod objects;
