//! `WorkspaceService`.

use std::{borrow::Cow, collections::BTreeMap};

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    change::to_its_end,
    convert::{self, Mask},
    etag,
    listing::{List, page},
};
use crate::{
    access::Caller,
    error::{Error, Violations},
    etag::Etag,
    idempotency,
    listing::{Field, Kind, Listed, Value},
    names::{Id, WorkspaceName},
    pb,
    records::Workspace,
    rpc::layer::admission::Gate,
    tasks::Tasks,
    workspace::{Settings, Workspaces},
};

/// The service.
#[derive(Clone)]
pub struct WorkspaceRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub workspaces: Workspaces,
    /// Runs changes to their end.
    pub tasks: Tasks,
}

#[tonic::async_trait]
impl pb::workspace_service_server::WorkspaceService for WorkspaceRpc {
    async fn create_workspace(
        &self,
        request: Request<pb::CreateWorkspaceRequest>,
    ) -> Result<Response<pb::Workspace>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let (id, settings, request) = create(request, &caller)?;
        let workspaces = self.workspaces.clone();
        let change = async move { workspaces.create(id.as_ref(), settings, request.as_ref()).await };
        let created = to_its_end(&self.tasks, change).await?;
        Ok(Response::new(created.into()))
    }

    async fn get_workspace(
        &self,
        request: Request<pb::GetWorkspaceRequest>,
    ) -> Result<Response<pb::Workspace>, Status> {
        let (_caller, pb::GetWorkspaceRequest { name }) = self.gate.admit(request)?;
        Ok(Response::new(self.workspaces.get(&name_of("name", &name)?)?.into()))
    }

    async fn list_workspaces(
        &self,
        request: Request<pb::ListWorkspacesRequest>,
    ) -> Result<Response<pb::ListWorkspacesResponse>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let readable = self.gate.readable(&caller)?;
        let found =
            page(&request.page(), || Ok(readable.only(self.workspaces.list()?, |workspace| &workspace.name.0)))?;
        let (workspaces, next_page_token) = found.messages(async |found| Ok(pb::Workspace::from(found))).await?;
        Ok(Response::new(pb::ListWorkspacesResponse { workspaces, next_page_token }))
    }

    async fn update_workspace(
        &self,
        request: Request<pb::UpdateWorkspaceRequest>,
    ) -> Result<Response<pb::Workspace>, Status> {
        let (_caller, request) = self.gate.admit(request)?;
        let (name, etag, settings) = update(request)?;
        let workspaces = self.workspaces.clone();
        let change = async move { workspaces.update(&name, etag, &settings).await };
        let updated = to_its_end(&self.tasks, change).await?;
        Ok(Response::new(updated.into()))
    }

    async fn delete_workspace(&self, request: Request<pb::DeleteWorkspaceRequest>) -> Result<Response<()>, Status> {
        let (_caller, pb::DeleteWorkspaceRequest { name, etag }) = self.gate.admit(request)?;
        let (workspaces, (name, etag)) = (self.workspaces.clone(), etag::named::<WorkspaceName>(&name, &etag)?);
        let change = async move { workspaces.delete(&name, etag).await };
        to_its_end(&self.tasks, change).await?;
        Ok(Response::new(()))
    }
}

pub(in crate::rpc) fn create(
    mut request: pb::CreateWorkspaceRequest,
    caller: &Caller,
) -> Result<(Option<Id>, Settings, Option<idempotency::Request>), Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateWorkspace", caller, request_id, &request);
    let pb::CreateWorkspaceRequest { workspace_id, workspace, request_id: _ } = request;
    let id = convert::new_id(&mut bad, "workspace_id", &workspace_id);
    let everything = Mask::new(&mut bad, None, &[]);
    let settings = settings(&mut bad, workspace.unwrap_or_default(), &everything);
    bad.finish()?;
    Ok((id, settings, remembered))
}

pub(in crate::rpc) fn update(
    request: pb::UpdateWorkspaceRequest,
) -> Result<(WorkspaceName, Option<Etag>, Settings), Error> {
    let pb::UpdateWorkspaceRequest { workspace, update_mask } = request;
    let mut bad = Violations::default();
    let Some(workspace) = workspace else { return Err(Error::invalid("workspace", "is required")) };
    let known = [
        "description",
        "labels",
        "snapshot_preview",
        "max_restore_bytes",
        "snapshot_creates_per_minute",
        "max_stored_bytes",
    ];
    let mask = Mask::new(&mut bad, update_mask, &known);
    let name = bad.check("workspace.name", workspace.name.parse());
    let etag = etag::of_resource(&mut bad, "workspace.etag", &workspace.etag);
    let settings = settings(&mut bad, workspace, &mask);
    let Some(name) = name else { return Err(bad.into()) };
    bad.finish()?;
    Ok((name, etag, settings))
}

fn settings(bad: &mut Violations, workspace: pb::Workspace, mask: &Mask) -> Settings {
    let preview = workspace.snapshot_preview();
    let pb::Workspace {
        description,
        labels,
        snapshot_preview,
        max_restore_bytes,
        snapshot_creates_per_minute,
        max_stored_bytes,
        // Output, or read by the caller.
        name: _,
        uid: _,
        create_time: _,
        update_time: _,
        etag: _,
    } = workspace;
    convert::description(bad, "workspace.description", &description);
    convert::labels(bad, "workspace.labels", &labels);
    let preview = match preview {
        pb::workspace::SnapshotPreview::Unspecified => None,
        pb::workspace::SnapshotPreview::Enabled => Some(true),
        pb::workspace::SnapshotPreview::Disabled => Some(false),
    };
    if preview.is_none() && snapshot_preview != 0 {
        bad.add("workspace.snapshot_preview", "must be ENABLED or DISABLED");
    }
    if max_restore_bytes.is_some_and(|bytes| bytes < 1) {
        bad.add("workspace.max_restore_bytes", "must be at least 1");
    }
    if snapshot_creates_per_minute.is_some_and(|creates| creates < 1) {
        bad.add("workspace.snapshot_creates_per_minute", "must be at least 1");
    }
    if max_stored_bytes.is_some_and(|bytes| bytes < 0) {
        bad.add("workspace.max_stored_bytes", "must not be negative; 0 is no limit");
    }
    let touched = |path, is_set| mask.touches(path, is_set);
    Settings {
        labels: touched("labels", !labels.is_empty()).then_some(labels),
        description: touched("description", !description.is_empty()).then_some(description),
        snapshot_preview: preview.filter(|_| touched("snapshot_preview", true)),
        max_restore_bytes: max_restore_bytes.filter(|_| touched("max_restore_bytes", true)),
        snapshot_creates_per_minute: snapshot_creates_per_minute
            .filter(|_| touched("snapshot_creates_per_minute", true)),
        max_stored_bytes: max_stored_bytes.filter(|_| touched("max_stored_bytes", true)),
    }
}

fn name_of(field: &str, text: &str) -> Result<WorkspaceName, Error> {
    text.parse().map_err(|why| Error::invalid(field, why))
}

impl From<Workspace> for pb::Workspace {
    fn from(workspace: Workspace) -> Self {
        let preview = if workspace.snapshot_preview {
            pb::workspace::SnapshotPreview::Enabled
        } else {
            pb::workspace::SnapshotPreview::Disabled
        };
        Self {
            name: workspace.name.to_string(),
            uid: workspace.uid.to_string(),
            description: workspace.description,
            labels: workspace.labels,
            create_time: Some(convert::timestamp(workspace.create_time)),
            update_time: Some(convert::timestamp(workspace.update_time)),
            etag: Etag::of(workspace.uid, workspace.revision).to_string(),
            snapshot_preview: preview.into(),
            max_restore_bytes: Some(workspace.max_restore_bytes),
            snapshot_creates_per_minute: Some(workspace.snapshot_creates_per_minute),
            max_stored_bytes: Some(workspace.max_stored_bytes.unwrap_or(0)),
        }
    }
}

impl Listed for Workspace {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "uid", kind: Kind::Text },
        Field { name: "description", kind: Kind::Text },
        Field { name: "labels", kind: Kind::Labels },
        Field { name: "create_time", kind: Kind::Time },
        Field { name: "update_time", kind: Kind::Time },
        Field { name: "snapshot_preview", kind: Kind::Word(&["ENABLED", "DISABLED"]) },
    ];
    const ORDER: &'static [&'static str] = &["name", "create_time", "update_time"];

    fn value(&self, field: &'static str) -> Value<'_> {
        match field {
            "name" => Value::Text(Cow::Owned(self.name.to_string())),
            "uid" => Value::Text(Cow::Owned(self.uid.to_string())),
            "description" => Value::Text(Cow::Borrowed(&self.description)),
            "create_time" => Value::Time(self.create_time),
            "update_time" => Value::Time(self.update_time),
            "snapshot_preview" => Value::Word(if self.snapshot_preview { "ENABLED" } else { "DISABLED" }),
            _ => Value::Absent,
        }
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.labels)
    }

    fn uid(&self) -> Uuid {
        self.uid
    }
}
