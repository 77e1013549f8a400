//! The states of a source and every edge between them.

use crate::{
    clock::Micros,
    records::{Source, SourceState as State},
};

const fn successors(state: State) -> &'static [State] {
    match state {
        State::Initializing => &[State::Active, State::Suspended, State::Error],
        State::Active => &[State::Suspended, State::Error],
        State::Suspended => &[State::Initializing],
        State::Error => &[State::Initializing, State::Suspended],
    }
}

/// Whether there is work to do.
#[must_use]
pub const fn runs(state: State) -> bool {
    matches!(state, State::Initializing | State::Active)
}

/// The record in its next state; `None` if there is no such edge.
#[must_use]
pub fn advance(record: &Source, to: State, now: Micros) -> Option<Source> {
    if !successors(record.state).contains(&to) {
        return None;
    }
    let mut next = record.clone();
    next.state = to;
    next.update_time = now;
    next.revision += 1;
    Some(next)
}

/// A state of the contract: what a source is to do, and what it finds to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Up to the end of the first scan.
    Initializing,
    /// Nothing is left to read.
    Watching,
    /// Something is.
    Processing,
    /// Stopped by a caller.
    Suspended,
    /// Stopped by an error.
    Error,
}

impl Visible {
    /// The state of a source that has found so much to read, if it has scanned.
    #[must_use]
    pub const fn of(state: State, pending: Option<u64>) -> Self {
        match (state, pending) {
            (State::Initializing, _) | (State::Active, None) => Self::Initializing,
            (State::Active, Some(0)) => Self::Watching,
            (State::Active, Some(_)) => Self::Processing,
            (State::Suspended, _) => Self::Suspended,
            (State::Error, _) => Self::Error,
        }
    }
}

/// The state's name in the contract.
#[must_use]
pub const fn state_name(state: Visible) -> &'static str {
    match state {
        Visible::Initializing => "INITIALIZING",
        Visible::Watching => "WATCHING",
        Visible::Processing => "PROCESSING",
        Visible::Suspended => "SUSPENDED",
        Visible::Error => "ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixture;

    const ALL: [State; 4] = [State::Initializing, State::Active, State::Suspended, State::Error];

    #[test]
    fn only_the_edges_of_the_contract_exist() {
        let mut edges = Vec::new();
        for from in ALL {
            for to in ALL {
                let record = Source { state: from, ..fixture::source() };
                if let Some(next) = advance(&record, to, 7) {
                    assert_eq!((next.state, next.revision, next.update_time), (to, 2, 7));
                    edges.push(format!("{from:?} -> {to:?}"));
                }
            }
        }
        insta::assert_snapshot!(edges.join("\n"), @r"
        Initializing -> Active
        Initializing -> Suspended
        Initializing -> Error
        Active -> Suspended
        Active -> Error
        Suspended -> Initializing
        Error -> Initializing
        Error -> Suspended
        ");
    }

    #[test]
    fn an_active_source_shows_what_it_has_found() {
        let shown = [None, Some(0), Some(3)].map(|pending| state_name(Visible::of(State::Active, pending)));
        assert_eq!(shown, ["INITIALIZING", "WATCHING", "PROCESSING"]);
    }
}
