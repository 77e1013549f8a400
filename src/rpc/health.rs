//! gRPC's health checks: which services take calls.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::admission::question;
use crate::{
    error::Error,
    health::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus, health_server::Health,
    },
};

/// How each service is, by its full name.
type Services = BTreeMap<&'static str, ServingStatus>;

/// The service.
#[derive(Clone)]
pub struct HealthRpc {
    services: Arc<watch::Sender<Services>>,
}

impl HealthRpc {
    /// These take calls.
    pub fn serving(names: impl IntoIterator<Item = &'static str>) -> Self {
        let services = names.into_iter().map(|name| (name, ServingStatus::Serving)).collect();
        Self { services: Arc::new(watch::Sender::new(services)) }
    }

    /// None takes calls any more; who watches hears of it.
    pub fn stop_serving(&self) {
        self.services.send_modify(|services| {
            for status in services.values_mut() {
                *status = ServingStatus::NotServing;
            }
        });
    }

    /// How a service is, and what becomes of it.
    fn follow(&self, service: String) -> impl Stream<Item = ServingStatus> + Send + use<> {
        stream::unfold((self.services.subscribe(), service, None), |(mut services, service, told)| async move {
            let changed = services.wait_for(|services| Some(of(services, &service)) != told).await;
            let status = changed.ok().map(|services| of(&services, &service))?;
            Some((status, (services, service, Some(status))))
        })
    }
}

fn of(services: &Services, service: &str) -> ServingStatus {
    services.get(service).copied().unwrap_or(ServingStatus::ServiceUnknown)
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthRpc {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let (_memory, HealthCheckRequest { service }) = question(request)?;
        let status = self.services.borrow().get(service.as_str()).copied();
        Ok(Response::new(response(status.ok_or(Error::NotFound(service))?)))
    }

    async fn list(&self, request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let (_memory, HealthListRequest {}) = question(request)?;
        let services = self.services.borrow();
        let statuses = services.iter().map(|(name, status)| ((*name).to_owned(), response(*status))).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (memory, HealthCheckRequest { service }) = question(request)?;
        let statuses = self.follow(service).map(move |status| {
            // The name is kept for as long as it is watched.
            let _counted = &memory;
            Ok(response(status))
        });
        Ok(Response::new(statuses.boxed()))
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
                services.insert(name, ServingStatus::Serving);
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
        assert!(watch.next().now_or_never().is_none());
    }
}
