//! The states of a snapshot and every edge between them.

use crate::{
    clock::Micros,
    records::{Snapshot, SnapshotState as State},
};

const fn successors(state: State) -> &'static [State] {
    match state {
        State::Requested => &[State::Created, State::Failed, State::Deleted],
        State::Created => &[State::Expired, State::Deleted],
        State::Failed => &[State::Deleted],
        State::Expired | State::Deleted => &[],
    }
}

/// The record in its next state; `None` if there is no such edge.
#[must_use]
pub fn advance(record: &Snapshot, to: State, now: Micros) -> Option<Snapshot> {
    if !successors(record.state).contains(&to) {
        return None;
    }
    let mut next = record.clone();
    next.state = to;
    next.update_time = now;
    next.revision += 1;
    if to.is_over() {
        next.end_time = Some(now);
        // What FAILED has released already is not released again.
        next.released &= record.state == State::Failed;
    }
    Some(next)
}

/// The state's name in the contract.
#[must_use]
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Requested => "REQUESTED",
        State::Created => "CREATED",
        State::Failed => "FAILED",
        State::Expired => "EXPIRED",
        State::Deleted => "DELETED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixture;

    const ALL: [State; 5] = [State::Requested, State::Created, State::Failed, State::Expired, State::Deleted];

    #[test]
    fn only_the_edges_of_the_contract_exist() {
        let mut edges = Vec::new();
        for from in ALL {
            for to in ALL {
                let record = Snapshot { state: from, ..fixture::snapshot() };
                if let Some(next) = advance(&record, to, 1) {
                    assert_eq!((next.state, next.revision), (to, 2));
                    edges.push(format!("{} -> {}", state_name(from), state_name(to)));
                }
            }
        }
        insta::assert_snapshot!(edges.join("\n"), @r"
        REQUESTED -> CREATED
        REQUESTED -> FAILED
        REQUESTED -> DELETED
        CREATED -> EXPIRED
        CREATED -> DELETED
        FAILED -> DELETED
        ");
    }
}
