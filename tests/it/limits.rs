//! Limits, each at its edge.

mod counts;
mod messages;
mod quota;
mod turns;
mod unpacked;
