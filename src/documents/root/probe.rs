//! Finds out at the start whether a bucket can be used. Without that a wrong
//! secret or a missing bucket would keep the first open waiting for ever.

use std::time::Duration;

use slatedb::object_store::path::Path;

use super::Root;
use crate::{clock::new_uid, documents::patience::within, error::Error};

const PROBE: Duration = Duration::from_secs(15);

/// Writes an object, which must be refused a second time: databases and the
/// instance marker stand on puts that do not overwrite.
pub(super) async fn probe(root: &Root) -> Result<(), Error> {
    within(PROBE, async {
        // Some stores make a bucket that is written to; none lists one.
        root.children(&Path::from("probe")).await?;
        let object = Path::from_iter(["probe".to_owned(), new_uid().to_string()]);
        let created = root.put_new(&object, bytes::Bytes::from_static(b"stillframe")).await?;
        let again = root.put_new(&object, bytes::Bytes::from_static(b"again")).await?;
        let held = root.get(&object).await?.is_some_and(|found| found == "stillframe");
        root.delete(&object).await?;
        if created && !again && held {
            return Ok(());
        }
        Err(Error::internal("the store does not honour conditional puts (If-None-Match), which databases need"))
    })
    .await
}
