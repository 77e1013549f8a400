//! The real binary, whose wall clock is turned while it runs, over stops and over kills.

use std::path::Path;

use super::{Data, shifted::ShiftedClock, wrong};
use crate::{recovery::child::Child, support::eventually};

/// How often the log says this.
fn said(dir: &Path, what: &str) -> usize {
    std::fs::read_to_string(dir.join("server.log")).unwrap().matches(what).count()
}

const DISPUTED: &str = "is not believed";
const AGREED: &str = "agrees with the time that is known";

#[apply(on_directory!)]
async fn nothing_is_lost_by_a_real_server() {
    let tools = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::new(tools.path());
    let environment = clock.environment();
    let start = async |dir| Child::start_in(dir, "", &[], &environment).await;
    let mut child = start(tempfile::tempdir().unwrap()).await;
    let mut data = Data::given(&mut child.client).await;
    for (n, by) in wrong().enumerate() {
        let dir = child.client.dir.path().to_owned();
        let (disputed, agreed) = (said(&dir, DISPUTED), said(&dir, AGREED));
        clock.set(by);
        eventually("the clock is not believed", async || said(&dir, DISPUTED) > disputed).await;
        data.check(&mut child.client, &format!("set by {by}")).await;
        if n % 2 == 0 {
            child.terminated().await;
        }
        child = start(child.kill().await).await;
        data.check(&mut child.client, &format!("started with {by}")).await;

        let dir = child.client.dir.path().to_owned();
        clock.set(0);
        // At once, whether it has been noticed or not.
        data.check(&mut child.client, &format!("right again after {by}")).await;
        eventually("the clock is believed", async || said(&dir, AGREED) > agreed).await;
        if n % 2 == 1 {
            child.terminated().await;
        }
        child = start(child.kill().await).await;
        data.check(&mut child.client, &format!("started right after {by}")).await;
    }
    child.kill().await;
}
