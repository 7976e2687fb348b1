//! Telling the postmaster by mail that a message was set aside.

use super::{Shared, Transport, now};
use crate::notice::SetAside;
use bridgehead_mail::MessageId;
use std::sync::Arc;

/// Messages that a start found set aside, and why.
pub(super) type Found = Vec<(MessageId, Box<str>)>;

impl Transport {
    /// A start found messages whose processing ended the server. The postmaster is told as soon as it is known who that is.
    pub fn found_aside(&self, found: Found) {
        self.found_aside.lock().extend(found);
        if let Some(shared) = self.shared.get() {
            self.tell_what_was_found(shared);
        }
    }

    pub(super) fn tell_what_was_found(&self, shared: &Arc<Shared>) {
        let found = std::mem::take(&mut *self.found_aside.lock());
        for (id, how) in found {
            shared.tell_postmaster(id, how);
        }
    }
}

impl Shared {
    /// Stores a notice for the postmaster, beside everything else. If that fails, the log and the queue still say it.
    pub(super) fn tell_postmaster(self: &Arc<Self>, id: MessageId, how: Box<str>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(why) = shared.notify(id, &how).await {
                tracing::warn!(%id, why, "the postmaster isn't told that a message is set aside");
            }
        });
    }

    async fn notify(&self, message: MessageId, how: &str) -> Result<(), String> {
        let at = now();
        let world = self.world.load_full();
        let to = world.snapshot.postmaster().ok_or("there is none")?;
        let picture = self.queue.show(message).ok().flatten();
        let aside = SetAside {
            message,
            how,
            envelope: picture.as_ref().map(|picture| &*picture.envelope),
        };
        if aside.is_notice() {
            return Err("it is a notice itself".to_owned());
        }
        if !self.moderation.lock().allows(at) {
            return Err("many such notices were sent within the hour".to_owned());
        }
        let inlet = self.queue.inlet();
        let draft = inlet.begin_own(at);
        let mut draft = draft.map_err(|refused| refused.to_string())?;
        let (envelope, text) = aside.compose(draft.id(), to, &world.settings, at);
        draft.write(&text).map_err(|refused| refused.to_string())?;
        let committed = draft.commit(envelope).await;
        committed.map(drop).map_err(|refused| refused.to_string())
    }
}
