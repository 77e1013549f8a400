//! A server with keys, and two workspaces that know nothing of each other.

use stillframe::pb::{self, Role};
use tonic::Status;

use super::answers::Answers;
use crate::{
    Result,
    client::{Client, patiently},
    server::{Launch, Server},
};

pub struct Ground {
    pub server: Server,
    pub attacker: Tenant,
    pub neighbour: Tenant,
    /// What the attacker was told.
    pub answers: Answers,
}

/// A workspace, and keys for it alone.
#[derive(Clone)]
pub struct Tenant {
    pub url: String,
    pub workspace: String,
    pub reader: String,
    pub writer: String,
    pub operator: String,
}

impl Ground {
    pub async fn start(launch: &Launch) -> Result<Self> {
        let server = Server::start(&launch.with_keys()).await?;
        let operator = server.client().await?;
        let attacker = Tenant::create(&operator, server.url(), "attacker").await?;
        let neighbour = Tenant::create(&operator, server.url(), "neighbour").await?;
        Ok(Self { server, attacker, neighbour, answers: Answers::default() })
    }

    /// Ends the key with which the attacker reads.
    pub async fn revoke_reader(&self) -> Result<()> {
        let request = pb::RevokeApiKeyRequest { name: "apiKeys/attacker-reader".to_owned(), ..Default::default() };
        patiently("RevokeApiKey", self.server.client().await?.access().revoke_api_key(request)).await?;
        Ok(())
    }
}

impl Tenant {
    async fn create(operator: &Client, url: &str, id: &str) -> Result<Self> {
        let request = pb::CreateWorkspaceRequest { workspace_id: id.to_owned(), ..Default::default() };
        let workspace = patiently("CreateWorkspace", operator.workspaces().create_workspace(request)).await?;
        let workspace = workspace.into_inner().name;
        let reader = create_key(operator, &workspace, Role::Reader, format!("{id}-reader")).await?;
        let writer = create_key(operator, &workspace, Role::Writer, format!("{id}-writer")).await?;
        let operator = create_key(operator, &workspace, Role::Operator, format!("{id}-operator")).await?;
        Ok(Self { url: url.to_owned(), workspace, reader, writer, operator })
    }

    /// A connection of its own.
    async fn client(&self, key: &str) -> Result<Client> {
        Client::connect(&self.url).await?.keyed(key, &self.workspace)
    }

    pub async fn reader(&self) -> Result<Client> {
        self.client(&self.reader).await
    }

    pub async fn writer(&self) -> Result<Client> {
        self.client(&self.writer).await
    }

    /// Of the workspace alone.
    pub async fn operator(&self) -> Result<Client> {
        self.client(&self.operator).await
    }

    /// The name of a collection, which need not be there.
    pub fn collection(&self, id: &str) -> String {
        format!("{}/collections/{id}", self.workspace)
    }
}

/// Returns the secret of the new key, for this workspace alone.
pub async fn create_key(
    operator: &Client,
    workspace: &str,
    role: Role,
    id: String,
) -> std::result::Result<String, Status> {
    let binding = pb::RoleBinding { workspace: workspace.to_owned(), role: role.into() };
    let request = pb::CreateApiKeyRequest {
        api_key_id: id,
        api_key: Some(pb::ApiKey { role_bindings: vec![binding], ..Default::default() }),
        ..Default::default()
    };
    Ok(operator.access().create_api_key(request).await?.into_inner().secret)
}
