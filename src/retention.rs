//! How long a collection may keep its documents. How they are clustered by it
//! is `documents::Retention`; what has expired is dropped by
//! [`Collections::expire`](crate::collection::Collections::expire).

use std::time::Duration;

use crate::{
    clock::{Micros, micros, words},
    documents::Retention,
};

/// The shortest retention.
pub const SHORTEST: Duration = Duration::from_secs(60 * 60);
/// Every retention is shorter than this: ten years of 365 days.
pub const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The retention that keeps documents so long, if it may.
pub fn check(keep: Micros, shortest: Duration) -> Result<Retention, String> {
    if keep < micros(shortest) || keep >= micros(LONGEST) {
        let shortest = words(shortest);
        return Err(format!("must be at least {shortest} and less than 3,650 days"));
    }
    Ok(Retention::new(keep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_hold_at_their_edges() {
        let check = |keep| check(keep, SHORTEST).is_ok();
        assert!(check(micros(SHORTEST)) && check(micros(LONGEST) - 1));
        assert!(!check(micros(SHORTEST) - 1) && !check(micros(LONGEST)));
    }
}
