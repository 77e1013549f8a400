//! The server as a process: how it starts and is refused, what it logs, whom it leaves its
//! files to, and what it does when it is signalled.

#![allow(clippy::disallowed_methods, reason = "tests spawn what runs beside them")]

mod dead_log;
mod given;
mod listen;
mod log;
mod modes;
mod refused;
mod refused_key;
mod refused_place;
mod signals;
mod tools;
