//! The layers between the transport and the services: who calls, and may; how much memory and
//! time a call has; what errors say.

pub mod admission;
pub mod answers;
pub mod authenticate;
pub mod deadline;
mod ending;
mod foreign;
pub mod request_memory;
mod rules;
pub mod streams;
pub mod timeout;
mod told;
