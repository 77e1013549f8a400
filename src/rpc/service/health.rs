//! gRPC's health checks: which services take calls.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::{
    error::Error,
    health::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus, health_server::Health,
    },
    rpc::layer::admission::question,
};

/// How each service is, by its full name.
#[derive(Debug)]
struct Services {
    statuses: BTreeMap<&'static str, ServingStatus>,
    /// Nothing becomes of any of them any more.
    are_stopped: bool,
}

impl Services {
    fn of(&self, service: &str) -> ServingStatus {
        self.statuses.get(service).copied().unwrap_or(ServingStatus::ServiceUnknown)
    }
}

/// The service.
#[derive(Clone)]
pub struct HealthRpc {
    services: Arc<watch::Sender<Services>>,
}

impl HealthRpc {
    /// These take calls.
    pub fn serving(names: impl IntoIterator<Item = &'static str>) -> Self {
        let statuses = names.into_iter().map(|name| (name, ServingStatus::Serving)).collect();
        Self { services: Arc::new(watch::Sender::new(Services { statuses, are_stopped: false })) }
    }

    /// None takes calls any more. Who watches hears of it, and then that the server stops.
    pub fn stop_serving(&self) {
        self.services.send_modify(|services| {
            for status in services.statuses.values_mut() {
                *status = ServingStatus::NotServing;
            }
            services.are_stopped = true;
        });
    }

    /// How a service is, and what becomes of it. Ends when the server stops.
    fn follow(&self, service: String) -> impl Stream<Item = ServingStatus> + Send + use<> {
        stream::unfold((self.services.subscribe(), service, None), |(mut services, service, told)| async move {
            let is_news = |services: &Services| Some(services.of(&service)) != told;
            let changed = services.wait_for(|services| is_news(services) || services.are_stopped).await;
            let status = changed.ok().filter(|services| is_news(services)).map(|services| services.of(&service))?;
            Some((status, (services, service, Some(status))))
        })
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthRpc {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let (_memory, HealthCheckRequest { service }) = question(request)?;
        let status = self.services.borrow().statuses.get(service.as_str()).copied();
        Ok(Response::new(response(status.ok_or(Error::NotFound(service))?)))
    }

    async fn list(&self, request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let (_memory, HealthListRequest {}) = question(request)?;
        let services = self.services.borrow();
        let statuses = services.statuses.iter().map(|(name, status)| ((*name).to_owned(), response(*status))).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (memory, HealthCheckRequest { service }) = question(request)?;
        let statuses = self.follow(service).map(move |status| {
            // The name is kept for as long as it is watched.
            let _counted = &memory;
            Ok(response(status))
        });
        let stopping = stream::once(async { Err(Error::ShuttingDown.into()) });
        Ok(Response::new(statuses.chain(stopping).boxed()))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_service_may_become_known() {
        let health = HealthRpc::serving(["a"]);
        let add = |name| {
            health.services.send_modify(|services| {
                services.statuses.insert(name, ServingStatus::Serving);
            });
        };
        let mut watch = health.follow("b".to_owned()).boxed();
        assert_eq!(watch.next().await, Some(ServingStatus::ServiceUnknown));
        add("c");
        assert!(watch.next().now_or_never().is_none(), "what happens to others is nothing to it");
        add("b");
        assert_eq!(watch.next().await, Some(ServingStatus::Serving));
        health.stop_serving();
        assert_eq!(watch.next().await, Some(ServingStatus::NotServing));
        assert_eq!(watch.next().await, None);
    }

    #[tokio::test]
    async fn what_is_not_known_stays_so_to_the_end() {
        let health = HealthRpc::serving(["a"]);
        let mut watch = health.follow("b".to_owned()).boxed();
        assert_eq!(watch.next().await, Some(ServingStatus::ServiceUnknown));
        health.stop_serving();
        assert_eq!(watch.next().await, None);
    }
}
