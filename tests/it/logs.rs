//! What the server writes into its log, as the process that operators run.

mod calls;
mod keys;
mod stop;

use serde_json::Value;
use tempfile::TempDir;

use crate::recovery::child::Child;

/// A server that logs as JSON.
async fn start(arguments: &[&str]) -> Child {
    let arguments = [&["--log-format", "json"], arguments].concat();
    Child::start_with(TempDir::new().unwrap(), "", &arguments).await
}

/// Stops it, and reads its log.
async fn log_of(mut child: Child) -> Vec<Value> {
    assert!(child.terminated().await.success());
    let dir = child.kill().await;
    let log = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The last lines of calls, in order.
fn ended_calls(log: &[Value]) -> Vec<&Value> {
    log.iter().filter(|line| line["target"] == "stillframe::call").collect()
}

/// A field of a line, or of the span of its call.
fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line["fields"].get(field).or_else(|| line["span"].get(field)).and_then(Value::as_str).unwrap_or_default()
}
