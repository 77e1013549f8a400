//! Lists of compactions, which databases keep beside their manifests, hold nothing but
//! how far merges are: one that is damaged is no reason to refuse what is whole.

use slatedb::object_store::path::Path;
use uuid::Uuid;

use super::{databases::store::Store, paths::collection};
use crate::error::Error;

impl Store {
    /// Removes the lists of a closed database if the newest is damaged: the next open
    /// makes another, and merges begin anew.
    pub(super) async fn mend_compactions(&self, uid: Uuid) -> Result<(), Error> {
        let Some(why) = self.damage_of_compactions(uid).await? else { return Ok(()) };
        tracing::warn!(%uid, %why, "the list of compactions is made anew");
        self.root.delete_all(self.compactions(uid).await?.into_iter()).await?;
        self.forget_compactions(uid).await
    }

    /// What is wrong with the newest list, if anything is.
    pub(super) async fn damage_of_compactions(&self, uid: Uuid) -> Result<Option<String>, Error> {
        match self.on_manifest(self.admin(collection(uid)).read_compactions(None)).await {
            Ok(_) => Ok(None),
            Err(Error::DataLoss(why)) => Ok(Some(why)),
            // One without a seal.
            Err(Error::Internal(why)) => Ok(Some(why.to_string())),
            Err(error) => Err(error),
        }
    }

    /// All lists that there are.
    pub(super) async fn compactions(&self, uid: Uuid) -> Result<Vec<Path>, Error> {
        let lists = self.root.list(&collection(uid).join("compactions")).await?;
        Ok(lists.into_iter().map(|(path, _)| path).collect())
    }

    /// Forgets which lists were collected: the next begin anew, with numbers below that.
    pub(super) async fn forget_compactions(&self, uid: Uuid) -> Result<(), Error> {
        self.root.delete_durably(&collection(uid).join("gc").join("compactions.boundary")).await
    }
}

#[cfg(test)]
mod tests {
    use crate::share::Tenant;
    use std::sync::Arc;

    use super::{super::sealed::Kind, *};
    use crate::{
        clock::Clock,
        documents::{Engine, Keep, Known, Operation, Root, Tuning, Write},
        tasks::Tasks,
    };

    #[tokio::test]
    async fn a_damaged_list_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let background = tokio::runtime::Handle::current();
        let root = Root::local(dir.path()).unwrap();
        let store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
        let uid = Uuid::from_u128(1);
        Engine::create(&store, uid, None).await.unwrap();
        for damage in [false, true, true] {
            let engine = Engine::open(&store, uid, Arc::<Keep>::default(), &Known::default()).await.unwrap();
            let operation = Operation::Upsert { event_time: None, body: "{}".into() };
            engine
                .write(&Tenant::of_workspace("commons"), vec![Write { id: "a".to_owned(), operation, if_etag: None }])
                .await
                .unwrap();
            // Whoever opens a database writes one, a little later.
            let newest = loop {
                assert!(!engine.has_failed());
                match store.root.newest_number(uid, Kind::Compactions).await.unwrap() {
                    Some(newest) => break newest,
                    None => tokio::task::yield_now().await,
                }
            };
            engine.close(true).await.unwrap();
            let newest = store.root.newest_number(uid, Kind::Compactions).await.unwrap().unwrap_or(newest);
            let path = collection(uid).join("compactions").join(format!("{newest:020}.compactions"));
            if damage {
                std::fs::write(store.root.file(&path).unwrap(), b"").unwrap();
                assert!(matches!(store.root.get(&path).await, Err(Error::DataLoss(_))));
            }
        }
        let engine = Engine::open(&store, uid, Arc::<Keep>::default(), &Known::default()).await.unwrap();
        assert_eq!(engine.totals().document_count, 1);
        engine.close(false).await.unwrap();
    }
}
