//! Limits, each at its edge.

mod counts;
mod responses;
