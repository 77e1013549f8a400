//! `SourceService`.

pub(in crate::rpc) mod create;
mod resource;

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use self::create::create;
use super::{
    change::to_its_end,
    etag,
    listing::{List, page_by_name},
    watching::until_stopped,
};
use crate::{
    error::Error,
    names::{SourceName, SourceParent},
    pb,
    rpc::layer::admission::Gate,
    source::{Sources, View},
    tasks::Tasks,
};

/// Between two messages of a watch.
const FASTEST: Duration = Duration::from_millis(100);

/// The service.
#[derive(Clone)]
pub struct SourceRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub sources: Sources,
    /// Runs changes to their end.
    pub tasks: Tasks,
    /// The shortest scan interval that a source may have.
    pub shortest_scan_interval: Duration,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

#[tonic::async_trait]
impl pb::source_service_server::SourceService for SourceRpc {
    type WatchSourceStream = Pin<Box<dyn Stream<Item = Result<pb::Source, Status>> + Send>>;

    async fn create_source(&self, request: Request<pb::CreateSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let command = create(request, &caller, self.shortest_scan_interval)?;
        let sources = self.sources.clone();
        let created = to_its_end(&self.tasks, async move { sources.create(command).await }).await?;
        Ok(Response::new(created.into()))
    }

    async fn get_source(&self, request: Request<pb::GetSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let (_caller, pb::GetSourceRequest { name }) = self.gate.admit(request)?;
        Ok(Response::new(self.sources.get(&name_of(&name)?).await?.into()))
    }

    async fn list_sources(
        &self,
        request: Request<pb::ListSourcesRequest>,
    ) -> Result<Response<pb::ListSourcesResponse>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let of: SourceParent = request.parent.parse().map_err(|why| Error::invalid("parent", why))?;
        let readable = self.gate.readable(&caller)?;
        let found = page_by_name(&request.page(), |from, each| {
            let mut each = readable.passing(|found: &View| &found.record.name.collection.workspace, each);
            self.sources.list(&of, from, &mut each)
        })
        .await?;
        let view = async |View { record, .. }| Ok(pb::Source::from(self.sources.view(record).await?));
        let (sources, next_page_token) = found.messages(view).await?;
        Ok(Response::new(pb::ListSourcesResponse { sources, next_page_token }))
    }

    async fn delete_source(&self, request: Request<pb::DeleteSourceRequest>) -> Result<Response<()>, Status> {
        let (_caller, pb::DeleteSourceRequest { name, etag }) = self.gate.admit(request)?;
        let (sources, (name, etag)) = (self.sources.clone(), etag::named::<SourceName>(&name, &etag)?);
        let change = async move { sources.delete(&name, etag).await };
        to_its_end(&self.tasks, change).await?;
        Ok(Response::new(()))
    }

    async fn suspend_source(&self, request: Request<pb::SuspendSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let (_caller, pb::SuspendSourceRequest { name }) = self.gate.admit(request)?;
        let (sources, name) = (self.sources.clone(), name_of(&name)?);
        let suspended = to_its_end(&self.tasks, async move { sources.suspend(&name).await }).await?;
        Ok(Response::new(suspended.into()))
    }

    async fn resume_source(&self, request: Request<pb::ResumeSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let (_caller, pb::ResumeSourceRequest { name }) = self.gate.admit(request)?;
        let (sources, name) = (self.sources.clone(), name_of(&name)?);
        let resumed = to_its_end(&self.tasks, async move { sources.resume(&name).await }).await?;
        Ok(Response::new(resumed.into()))
    }

    async fn watch_source(
        &self,
        request: Request<pb::WatchSourceRequest>,
    ) -> Result<Response<Self::WatchSourceStream>, Status> {
        let (_caller, pb::WatchSourceRequest { name }) = self.gate.admit(request)?;
        let (first, changes) = self.sources.watch(&name_of(&name)?).await?;
        let once = stream::once(std::future::ready(Ok(first.into())));
        let Some(changes) = changes else { return Ok(Response::new(once.boxed())) };
        let values = paced(changes).map(move |view| match view {
            Some(view) if !view.deleted => Ok(view.into()),
            _ => Err(Error::NotFound(name.clone()).into()),
        });
        Ok(Response::new(once.chain(until_stopped(values, self.stop.clone())).boxed()))
    }
}

/// The newest value whenever it changes, at most every [`FASTEST`]; `None` at the
/// end.
fn paced(changes: watch::Receiver<View>) -> impl Stream<Item = Option<View>> + Send {
    stream::unfold(Some(changes), |changes| async move {
        let mut changes = changes?;
        if changes.changed().await.is_err() {
            return Some((None, None));
        }
        let view = changes.borrow_and_update().clone();
        if view.deleted {
            return Some((Some(view), None));
        }
        // A deletion waits for nobody; a time-out only moves on.
        let _ = tokio::time::timeout(FASTEST, changes.wait_for(|view| view.deleted)).await;
        let view = changes.borrow_and_update().clone();
        let deleted = view.deleted;
        Some((Some(view), (!deleted).then_some(changes)))
    })
}

fn name_of(text: &str) -> Result<SourceName, Error> {
    text.parse().map_err(|why| Error::invalid("name", why))
}
