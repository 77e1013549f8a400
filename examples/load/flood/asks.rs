//! What the other tenant asks for during an attack, beside its small calls.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::{attack::Finding, figure::Figure};
use crate::{Result, report::milliseconds};

/// The attack has begun by then.
const BEGUN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);
/// Within which each must be served.
const SERVED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until then, at least once. Each must be served within a second.
pub async fn asks(what: &'static str, until: Instant, mut ask: impl AsyncFnMut(u64) -> Result<()>) -> Finding {
    sleep(BEGUN).await;
    let mut figure = Figure::default();
    for nth in 0.. {
        let begun = Instant::now();
        match timeout(PATIENCE, ask(nth)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => figure.failed(error.to_string()),
            Err(_) => figure.failed(format!("not served within {PATIENCE:?}")),
        }
        figure.took(begun.elapsed(), PATIENCE);
        if Instant::now() + PAUSE > until {
            break;
        }
        sleep(PAUSE).await;
    }
    let holds = figure.failures() == 0 && figure.worst() < SERVED;
    let refused = if figure.failures() == 0 { String::new() } else { format!(", refused: {}", figure.told()) };
    let value = format!("{} asked, worst {:.0} ms{refused}", figure.count(), milliseconds(figure.worst()));
    Finding { what, value, holds }
}
