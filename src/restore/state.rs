//! The states of a restore and every edge between them.

use crate::records::{Restore, RestoreState as State};

const fn successors(state: State) -> &'static [State] {
    match state {
        State::Pending => &[State::Copying, State::Failing, State::Cancelling],
        State::Copying => &[State::Verifying, State::Failing, State::Cancelling],
        State::Verifying => &[State::Publishing, State::Failing, State::Cancelling],
        // Past this point cancel is refused.
        State::Publishing => &[State::Succeeded],
        State::Failing => &[State::Failed],
        State::Cancelling => &[State::Cancelled],
        State::Succeeded | State::Failed | State::Cancelled => &[],
    }
}

/// Whether it may still be cancelled.
#[must_use]
pub const fn is_cancellable(state: State) -> bool {
    matches!(state, State::Pending | State::Copying | State::Verifying)
}

/// The record in its next state; `None` if there is no such edge.
#[must_use]
pub fn advance(record: &Restore, to: State) -> Option<Restore> {
    if !successors(record.state).contains(&to) {
        return None;
    }
    let mut next = record.clone();
    next.state = to;
    next.revision += 1;
    Some(next)
}

/// The state's name in the contract, which folds the steps into RUNNING.
#[must_use]
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "PENDING",
        State::Copying | State::Verifying | State::Publishing | State::Failing | State::Cancelling => "RUNNING",
        State::Succeeded => "SUCCEEDED",
        State::Failed => "FAILED",
        State::Cancelled => "CANCELLED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixture;

    const ALL: [State; 9] = [
        State::Pending,
        State::Copying,
        State::Verifying,
        State::Publishing,
        State::Succeeded,
        State::Failing,
        State::Cancelling,
        State::Failed,
        State::Cancelled,
    ];

    #[test]
    fn only_these_edges_exist() {
        let mut edges = Vec::new();
        for from in ALL {
            for to in ALL {
                let record = Restore { state: from, ..fixture::restore() };
                if advance(&record, to).is_some() {
                    edges.push(format!("{from:?} -> {to:?}").to_uppercase());
                }
            }
            assert_eq!(is_cancellable(from), successors(from).contains(&State::Cancelling), "{from:?}");
        }
        insta::assert_snapshot!(edges.join("\n"), @r"
        PENDING -> COPYING
        PENDING -> FAILING
        PENDING -> CANCELLING
        COPYING -> VERIFYING
        COPYING -> FAILING
        COPYING -> CANCELLING
        VERIFYING -> PUBLISHING
        VERIFYING -> FAILING
        VERIFYING -> CANCELLING
        PUBLISHING -> SUCCEEDED
        FAILING -> FAILED
        CANCELLING -> CANCELLED
        ");
    }
}
