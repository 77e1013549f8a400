//! What the process does when it is signalled.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::future::OptionFuture;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{instance::StartError, rpc::Tls};

/// Some who send a signal send it twice: to a process and to the shell around it, which
/// passes it on. Whoever loses patience takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The signals of a server.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// They would end it, if they were not waited for.
    _ignored: [Signal; 2],
}

fn catch(kind: SignalKind) -> Result<Signal, StartError> {
    signal(kind).map_err(|cause| StartError::System { what: "signals cannot be waited for", cause })
}

impl Signals {
    /// Catches them from here on.
    pub fn catch() -> Result<Self, StartError> {
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
            _ignored: [catch(SignalKind::user_defined1())?, catch(SignalKind::user_defined2())?],
        })
    }

    /// Does as they say: SIGINT and SIGTERM stop, SIGHUP has the files of TLS read again,
    /// SIGUSR1 and SIGUSR2 do nothing. Ends when somebody who has asked for a stop asks once more.
    pub async fn obey(&mut self, stop: &CancellationToken, tls: &OnceLock<Option<Arc<Tls>>>) {
        let mut asked: Option<Instant> = None;
        // Beside the others: files may be where nothing answers.
        let mut reading = pin!(OptionFuture::from(None));
        let (mut is_reading, mut again) = (false, false);
        loop {
            let signal = tokio::select! {
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
                Some(()) = &mut reading => {
                    is_reading = std::mem::take(&mut again);
                    reading.set(is_reading.then(|| reload(tls)).into());
                    continue;
                }
                _ = self.hang_up.recv() => {
                    if is_reading {
                        again = true;
                    } else {
                        is_reading = true;
                        reading.set(Some(reload(tls)).into());
                    }
                    continue;
                }
            };
            match asked {
                None => {
                    tracing::info!(signal, "asked to stop");
                    stop.cancel();
                    asked = Some(Instant::now());
                }
                Some(first) if first.elapsed() >= PATIENCE => return,
                Some(_) => {}
            }
        }
    }
}

async fn reload(tls: &OnceLock<Option<Arc<Tls>>>) {
    match tls.get() {
        Some(Some(tls)) => tls.reload().await,
        Some(None) => tracing::info!("SIGHUP: without TLS there is nothing to read again"),
        None => tracing::info!("SIGHUP: the start is not over, and reads everything anyway"),
    }
}

/// SIGINT or SIGTERM.
pub fn stop_signal() -> Result<impl Future<Output = ()>, StartError> {
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
