//! Adopts sessions of another library, each one once.
//!
//! An adopted session has a *claim*: a key that is named after the old session, and written once. It holds a random text, and
//! the id follows from that and the old session's proof. So requests at the same time get the same session, a lost reply can
//! be repeated, and a session that ended is not adopted again. Without the old cookie and its key, a claim leads nowhere.

use std::mem::take;
use std::time::Duration;

use super::{Opened, Reading, RequestStore};
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::session::proof::Proof;
use crate::session::storage_key::StorageKey;

/// How long a claim is kept: 400 days. Browsers keep no cookie longer (RFC 6265bis, section 5.5).
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl RequestStore {
    /// Returns the id that an old session got when it was adopted, if it was. The session may have ended since.
    pub(crate) async fn adopted(&self, old: &Proof) -> Result<Option<SessionId>, Error> {
        let claim = self.peek(&self.claim_key(old)).await?;
        let ids = self.rules().format.ids();
        Ok(claim.map(|(claim, _)| old.id(ids, &claim)))
    }

    /// Adopts an old session: creates a session with its fields, unless another request did so first. Without fields the old
    /// session ends. Returns the id that counts. What was begun ends even if this future is dropped.
    pub(crate) async fn adopt(&self, old: &Proof, fields: Option<Change>) -> Result<SessionId, Error> {
        let (store, old) = (self.clone(), old.clone());
        self.store
            .run_to_end(async move { store.claim(&old, fields.as_ref()).await })
            .await
    }

    async fn claim(&self, old: &Proof, fields: Option<&Change>) -> Result<SessionId, Error> {
        let (key, ids) = (self.claim_key(old), self.rules().format.ids());
        loop {
            let claim = ids.generate(false)?;
            let claim = claim.expose().as_bytes();
            let id = old.id(ids, claim);
            // the session first: whoever finds the claim must find the session, or know that it ended
            if let Some(fields) = fields
                && !self.create_as(&id, fields).await?
            {
                continue;
            }
            let create = self.call("create", &key, |backend| backend.create(key.as_str(), claim, KEPT));
            // after an error the claim may exist, so the session stays; without a claim it expires unused
            if create.await? {
                return Ok(id);
            }
            // nothing depends on it: nobody knows the id
            let _ = self.discard(&self.key(&id)).await;
            if let Some(id) = self.adopted(old).await? {
                return Ok(id);
            }
        }
    }

    /// Opens the id of an adopted session beside those that the request came with.
    pub(crate) async fn open_beside(&self, opened: &mut Opened, id: SessionId, reading: Reading) -> Result<(), Error> {
        if !opened.ids.contains(&id) {
            let mut ids = take(&mut opened.ids);
            ids.push(id);
            *opened = self.open(ids, reading).await?;
        }
        Ok(())
    }

    fn claim_key(&self, old: &Proof) -> StorageKey {
        StorageKey::of_claim(&self.rules().key_prefix, &old.name())
    }
}
