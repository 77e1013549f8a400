//! The key of the bootstrap file: how the first operator comes in, and how one
//! comes back who has lost all keys. Whoever writes that file and starts the
//! server could read its storage as well.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use super::{ApiKeys, Secret, caller::SERVER, role::everywhere};
use crate::{
    durable,
    error::Error,
    names::{ApiKeyName, Id},
    records::{AccessPolicy, ApiKey, BootstrapSecret, Change, Record, Role},
    regular, writable,
};

/// The id of a key whose file is written by the server.
const ID: &str = "bootstrap";
/// No file with a secret is larger.
const MAX_FILE_BYTES: u64 = 4096;

/// Why the bootstrap file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It can neither be read nor made.
    #[error("the bootstrap key file {file} (--bootstrap-key-file): {cause}")]
    File {
        /// Which.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "the bootstrap key file {0} (--bootstrap-key-file) does not hold a key: one line of `sf_ID_` and 64 hexadecimal digits. Remove it, and the server writes a new one"
    )]
    Malformed(String),
    /// It holds what somebody has typed.
    #[error(
        "the key in the bootstrap key file {file} (--bootstrap-key-file) is not random: {why}. Remove it, and the server writes a new one, or make the digits with `openssl rand -hex 32`"
    )]
    MadeUp {
        /// Which.
        file: String,
        /// What speaks against it.
        why: &'static str,
    },
    /// The records failed.
    #[error(transparent)]
    Storage(#[from] Error),
}

impl ApiKeys {
    /// Takes the key in the file over; writes one if there is none. A secret that
    /// was taken over before is not again, so a key that was revoked stays so.
    pub(super) async fn bootstrap(&self, file: &Path) -> Result<(), BootstrapError> {
        let shown = file.display().to_string();
        let (secret, id) = match read(file)? {
            Some(found) => {
                if std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
                    tracing::warn!(file = shown, "others than its owner may read the bootstrap key file");
                }
                // Ours, from a start that was killed before it came to that; or an operator's,
                // whose directory need not let us.
                if let Err(error) = durable::sync_parent(file) {
                    tracing::debug!(%error, file = shown, "the directory of the bootstrap key file is not synced");
                }
                found
            }
            None => {
                let id = ID.parse().unwrap_or_else(|_| Id::commons());
                let secret = Secret::generate(&id)?;
                write_new(file, secret.reveal()).map_err(|cause| failed(file, cause))?;
                tracing::info!(file = shown, "wrote the key of a first operator");
                (secret, id)
            }
        };
        self.take_over(&secret, &id).await?;
        Ok(())
    }

    async fn take_over(&self, secret: &Secret, id: &Id) -> Result<(), Error> {
        if self.inner.records.change(|| self.taking_over(secret, id)).await? {
            tracing::info!(name = %ApiKeyName(id.clone()), "the key of the bootstrap file is an operator");
        }
        Ok(())
    }

    /// The key of the file in place of the one of its id, whose secret may be lost, unless
    /// it was taken over before.
    fn taking_over(&self, secret: &Secret, id: &Id) -> Result<(Change, bool), Error> {
        let inner = &self.inner;
        let policy = inner.records.get(&AccessPolicy::all())?;
        let now = inner.clock.now();
        let taken = BootstrapSecret { secret_sha256: secret.sha256(), take_time: now };
        if inner.records.get(&taken.key())?.is_some() {
            return Ok((Change::default(), false));
        }
        let record = ApiKey {
            name: ApiKeyName(id.clone()),
            uid: inner.clock.new_uid(),
            description: "from the bootstrap key file".to_owned(),
            bindings: vec![everywhere(Role::Operator)],
            created_by: SERVER.to_owned(),
            create_time: now,
            labels: BTreeMap::new(),
            expire_time: None,
            revoke_time: None,
            revision: 1,
            secret_sha256: secret.sha256(),
        };
        let change = Change::default().put(&record).insert(&taken);
        let change = match &policy {
            Some(policy) => change.require(policy),
            None => change.insert(&AccessPolicy { create_time: now }),
        };
        Ok((change, true))
    }
}

/// Refuses a file that cannot be used, before anything is made: neither what is there nor,
/// if nothing is, the place for it, which may be the data directory.
pub fn check(file: &Path, data_dir: &Path) -> Result<(), BootstrapError> {
    if read(file)?.is_some() {
        return Ok(());
    }
    let [above, data_dir] = [durable::parent_of(file), data_dir].map(|path| std::path::absolute(path).ok());
    if above == data_dir && above.as_ref().is_some_and(|above| !above.exists()) {
        return Ok(());
    }
    writable::check_new_file(file).map_err(|cause| failed(file, cause))
}

/// The key in a file, if there is one.
fn read(file: &Path) -> Result<Option<(Secret, Id)>, BootstrapError> {
    let opened = match regular::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(file, error)),
    };
    let shown = || file.display().to_string();
    let bytes = regular::read_all(opened, MAX_FILE_BYTES).map_err(|error| failed(file, error))?;
    let read = std::str::from_utf8(&bytes).ok().and_then(|text| Secret::parse(text.trim()));
    let Some((secret, id)) = read else { return Err(BootstrapError::Malformed(shown())) };
    match secret.made_up() {
        Some(why) => Err(BootstrapError::MadeUp { file: shown(), why }),
        None => Ok(Some((secret, id))),
    }
}

fn failed(file: &Path, cause: io::Error) -> BootstrapError {
    BootstrapError::File { file: file.display().to_string(), cause }
}

/// Durable before its key is taken over, and for its owner alone.
fn write_new(file: &Path, secret: &str) -> io::Result<()> {
    let mut created = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(created, "{secret}")?;
    created.sync_all()?;
    durable::sync_parent(file)
}
