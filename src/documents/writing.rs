//! The way of a write: one writer for each database, which applies groups of batches and answers
//! when they are durable.

pub mod cutoff;
mod flusher;
pub mod group;
pub mod writer;
