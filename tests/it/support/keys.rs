//! Clients that bring a key.

use stillframe::pb::{
    self, access_service_client::AccessServiceClient, collection_service_client::CollectionServiceClient,
    document_service_client::DocumentServiceClient, restore_service_client::RestoreServiceClient,
    server_service_client::ServerServiceClient, snapshot_service_client::SnapshotServiceClient,
    source_service_client::SourceServiceClient, workspace_service_client::WorkspaceServiceClient,
};
use tonic::{
    Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use super::TestServer;

/// Adds a key to every call, or none.
#[derive(Clone)]
pub struct Bearer(Option<String>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(secret) = &self.0 {
            request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
        }
        Ok(request)
    }
}

type Keyed = InterceptedService<Channel, Bearer>;

/// All clients of one caller.
#[derive(Clone)]
pub struct Clients {
    pub access: AccessServiceClient<Keyed>,
    pub workspaces: WorkspaceServiceClient<Keyed>,
    pub collections: CollectionServiceClient<Keyed>,
    pub documents: DocumentServiceClient<Keyed>,
    pub snapshots: SnapshotServiceClient<Keyed>,
    pub restores: RestoreServiceClient<Keyed>,
    pub sources: SourceServiceClient<Keyed>,
    pub server: ServerServiceClient<Keyed>,
}

impl TestServer {
    /// A caller with this key, or none.
    pub fn caller(&self, secret: Option<&str>) -> Clients {
        let keyed = InterceptedService::new(self.channel.clone(), Bearer(secret.map(str::to_owned)));
        Clients {
            access: AccessServiceClient::new(keyed.clone()),
            workspaces: WorkspaceServiceClient::new(keyed.clone()),
            collections: CollectionServiceClient::new(keyed.clone()),
            documents: DocumentServiceClient::new(keyed.clone()),
            snapshots: SnapshotServiceClient::new(keyed.clone()),
            restores: RestoreServiceClient::new(keyed.clone()),
            sources: SourceServiceClient::new(keyed.clone()),
            server: ServerServiceClient::new(keyed),
        }
    }

    /// The first key, with which every call needs one.
    pub async fn given_operator(&self) -> Clients {
        let root = self.caller(None).given_key("root", &[("-", pb::Role::Operator)]).await;
        self.caller(Some(&root))
    }
}

impl Clients {
    pub async fn create_key(&mut self, id: &str, key: pb::ApiKey) -> Result<pb::ApiKey, Status> {
        let request = pb::CreateApiKeyRequest { api_key_id: id.to_owned(), api_key: Some(key), ..Default::default() };
        Ok(self.access.create_api_key(request).await?.into_inner())
    }

    /// Creates a key with these roles in these workspaces, and returns its secret.
    pub async fn given_key(&mut self, id: &str, roles: &[(&str, pb::Role)]) -> String {
        self.create_key(id, key_with(roles)).await.unwrap().secret
    }

    pub async fn get_key(&mut self, id: &str) -> Result<pb::ApiKey, Status> {
        let name = format!("apiKeys/{id}");
        Ok(self.access.get_api_key(pb::GetApiKeyRequest { name }).await?.into_inner())
    }

    pub async fn revoke_key(&mut self, id: &str) -> Result<pb::ApiKey, Status> {
        let request = pb::RevokeApiKeyRequest { name: format!("apiKeys/{id}"), ..Default::default() };
        Ok(self.access.revoke_api_key(request).await?.into_inner())
    }

    /// The ids of the keys that this caller sees.
    pub async fn key_ids(&mut self) -> Vec<String> {
        let listed = self.access.list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap().into_inner();
        listed.api_keys.iter().map(|key| super::id_of(&key.name)).collect()
    }

    /// Whom the server takes this caller for.
    pub async fn who_am_i(&mut self) -> Result<pb::Caller, Status> {
        Ok(self.access.get_caller(pb::GetCallerRequest {}).await?.into_inner())
    }
}

/// A key with these roles in these workspaces.
pub fn key_with(roles: &[(&str, pb::Role)]) -> pb::ApiKey {
    let binding = |(workspace, role): &(&str, pb::Role)| pb::RoleBinding {
        workspace: format!("workspaces/{workspace}"),
        role: (*role).into(),
    };
    pb::ApiKey { role_bindings: roles.iter().map(binding).collect(), ..Default::default() }
}
