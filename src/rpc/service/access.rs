//! `AccessService`.

use std::{borrow::Cow, collections::BTreeMap};

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    change::to_its_end,
    convert, etag,
    listing::{List, page},
};
use crate::{
    access::{ApiKeys, Caller, CreateApiKey, State, View},
    clock::Expiration,
    error::{Error, Violations},
    etag::Etag,
    listing::{Field, Kind, Listed, Value},
    names::{ApiKeyName, ListParent, WorkspaceName},
    pb,
    records::{Role, RoleBinding, Scope},
    rpc::layer::admission::Gate,
    tasks::Tasks,
};

pub const MAX_BINDINGS: usize = 64;

/// The service.
#[derive(Clone)]
pub struct AccessRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub keys: ApiKeys,
    /// Runs changes to their end.
    pub tasks: Tasks,
}

#[tonic::async_trait]
impl pb::access_service_server::AccessService for AccessRpc {
    async fn create_api_key(&self, request: Request<pb::CreateApiKeyRequest>) -> Result<Response<pb::ApiKey>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let command = create(request, &caller)?;
        let keys = self.keys.clone();
        let change = async move { keys.create(&caller, command).await };
        let (created, secret) = to_its_end(&self.tasks, change).await?;
        let secret = secret.map(|secret| secret.reveal().to_owned()).unwrap_or_default();
        Ok(Response::new(pb::ApiKey { secret, ..created.into() }))
    }

    async fn get_api_key(&self, request: Request<pb::GetApiKeyRequest>) -> Result<Response<pb::ApiKey>, Status> {
        let (caller, pb::GetApiKeyRequest { name }) = self.gate.admit(request)?;
        Ok(Response::new(self.keys.get(&caller, &name_of(&name)?)?.into()))
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let found = page(&request.page(), || self.keys.list(&caller))?;
        let (api_keys, next_page_token) = found.messages(async |view| Ok(pb::ApiKey::from(view))).await?;
        Ok(Response::new(pb::ListApiKeysResponse { api_keys, next_page_token }))
    }

    async fn revoke_api_key(&self, request: Request<pb::RevokeApiKeyRequest>) -> Result<Response<pb::ApiKey>, Status> {
        let (caller, pb::RevokeApiKeyRequest { name, etag }) = self.gate.admit(request)?;
        let (keys, (name, etag)) = (self.keys.clone(), etag::named::<ApiKeyName>(&name, &etag)?);
        let change = async move { keys.revoke(&caller, &name, etag).await };
        let revoked = to_its_end(&self.tasks, change).await?;
        Ok(Response::new(revoked.into()))
    }

    async fn get_caller(&self, request: Request<pb::GetCallerRequest>) -> Result<Response<pb::Caller>, Status> {
        let (caller, pb::GetCallerRequest {}) = self.gate.admit(request)?;
        Ok(Response::new(caller.into()))
    }
}

pub(in crate::rpc) fn create(mut request: pb::CreateApiKeyRequest, caller: &Caller) -> Result<CreateApiKey, Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateApiKey", caller, request_id, &request);
    let pb::CreateApiKeyRequest { api_key_id, api_key, request_id: _ } = request;
    let id = convert::new_id(&mut bad, "api_key_id", &api_key_id);
    let Some(api_key) = api_key else {
        bad.add("api_key", "is required: it has the roles");
        return Err(bad.into());
    };
    let pb::ApiKey {
        description,
        labels,
        role_bindings,
        expiration,
        // Output.
        name: _,
        uid: _,
        created_by: _,
        create_time: _,
        revoke_time: _,
        last_used_time: _,
        state: _,
        etag: _,
        secret: _,
    } = api_key;
    convert::description(&mut bad, "api_key.description", &description);
    convert::labels(&mut bad, "api_key.labels", &labels);
    if role_bindings.is_empty() || role_bindings.len() > MAX_BINDINGS {
        bad.add("api_key.role_bindings", format_args!("must hold 1 to {MAX_BINDINGS} roles"));
    }
    let bindings = role_bindings.iter().take(MAX_BINDINGS).enumerate();
    let bindings = bindings.filter_map(|(index, sent)| binding(&mut bad, index, sent)).collect();
    let expiration = match &expiration {
        None => None,
        Some(pb::api_key::Expiration::ExpireTime(time)) => {
            bad.check("api_key.expire_time", convert::micros_of(time)).map(Expiration::At)
        }
        Some(pb::api_key::Expiration::Ttl(ttl)) => {
            bad.check("api_key.ttl", convert::span_of(ttl)).map(Expiration::After)
        }
    };
    bad.finish()?;
    Ok(CreateApiKey { id, description, labels, bindings, expiration, request: remembered })
}

fn binding(bad: &mut Violations, index: usize, sent: &pb::RoleBinding) -> Option<(ListParent, Role)> {
    let field = |name: &str| format!("api_key.role_bindings[{index}].{name}");
    let workspace = bad.check(&field("workspace"), sent.workspace.parse());
    let role = match sent.role() {
        pb::Role::Unspecified => {
            bad.add(field("role"), "must be a role");
            return None;
        }
        pb::Role::Reader => Role::Reader,
        pb::Role::Writer => Role::Writer,
        pb::Role::SnapshotAdmin => Role::SnapshotAdmin,
        pb::Role::Operator => Role::Operator,
    };
    Some((workspace?, role))
}

fn name_of(text: &str) -> Result<ApiKeyName, Error> {
    text.parse().map_err(|why| Error::invalid("name", why))
}

impl From<RoleBinding> for pb::RoleBinding {
    fn from(binding: RoleBinding) -> Self {
        let role = match binding.role {
            Role::Reader => pb::Role::Reader,
            Role::Writer => pb::Role::Writer,
            Role::SnapshotAdmin => pb::Role::SnapshotAdmin,
            Role::Operator => pb::Role::Operator,
        };
        let workspace = match binding.scope {
            Scope::Everywhere => "workspaces/-".to_owned(),
            Scope::Workspace { id, .. } => WorkspaceName(id).to_string(),
        };
        Self { workspace, role: role.into() }
    }
}

impl From<View> for pb::ApiKey {
    fn from(view: View) -> Self {
        let View { record, state, last_used_time } = view;
        let state = match state {
            State::Active => pb::api_key::State::Active,
            State::Expired => pb::api_key::State::Expired,
            State::Revoked => pb::api_key::State::Revoked,
        };
        Self {
            name: record.name.to_string(),
            uid: record.uid.to_string(),
            etag: Etag::of(record.uid, record.revision).to_string(),
            description: record.description,
            labels: record.labels,
            role_bindings: record.bindings.into_iter().map(Into::into).collect(),
            created_by: record.created_by,
            create_time: Some(convert::timestamp(record.create_time)),
            expiration: record.expire_time.map(convert::timestamp).map(pb::api_key::Expiration::ExpireTime),
            revoke_time: record.revoke_time.map(convert::timestamp),
            last_used_time: last_used_time.map(convert::timestamp),
            state: state.into(),
            secret: String::new(),
        }
    }
}

impl From<Caller> for pb::Caller {
    fn from(caller: Caller) -> Self {
        let expire_time = caller.key().and_then(|key| key.expire_time).map(convert::timestamp);
        let role_bindings = caller.bindings().into_iter().map(Into::into).collect();
        Self { name: caller.name(), role_bindings, expire_time }
    }
}

impl Listed for View {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "uid", kind: Kind::Text },
        Field { name: "description", kind: Kind::Text },
        Field { name: "labels", kind: Kind::Labels },
        Field { name: "created_by", kind: Kind::Text },
        Field { name: "state", kind: Kind::Word(&["ACTIVE", "EXPIRED", "REVOKED"]) },
        Field { name: "create_time", kind: Kind::Time },
        Field { name: "expire_time", kind: Kind::Time },
        Field { name: "last_used_time", kind: Kind::Time },
    ];
    const ORDER: &'static [&'static str] = &["name", "create_time", "expire_time", "last_used_time"];

    fn value(&self, field: &'static str) -> Value<'_> {
        let time = |time: Option<_>| time.map_or(Value::Absent, Value::Time);
        match field {
            "name" => Value::Text(Cow::Owned(self.record.name.to_string())),
            "uid" => Value::Text(Cow::Owned(self.record.uid.to_string())),
            "description" => Value::Text(Cow::Borrowed(&self.record.description)),
            "created_by" => Value::Text(Cow::Borrowed(&self.record.created_by)),
            "state" => Value::Word(self.state.name()),
            "create_time" => Value::Time(self.record.create_time),
            "expire_time" => time(self.record.expire_time),
            "last_used_time" => time(self.last_used_time),
            _ => Value::Absent,
        }
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.record.labels)
    }

    fn uid(&self) -> Uuid {
        self.record.uid
    }
}
