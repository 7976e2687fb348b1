//! The other servers of the organisation, as sessions meet them: how they prove themselves, and who hears what they say of links.
//!
//! Guards: what is known of them is changed as a whole; what is remembered of those who were refused is bounded.

use bridgehead_mail::SessionId;
use bridgehead_membership::{ConfigError, OwnKey, Roster, server_config};
use parking_lot::{Mutex, RwLock};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Refusals that are remembered, so that each is logged once.
const REFUSALS_MAX: usize = 1_000;

/// Who keeps link state: hears the chunks that other servers of the organisation send. Called from sessions, so that it must not block.
pub trait StateSink: Send + Sync {
    /// The server `from` says this in its session; `place` is ONLY, FIRST, NEXT or LAST.
    ///
    /// # Errors
    /// Why it isn't taken; the other side is told.
    fn chunk(
        &self,
        from: &str,
        session: SessionId,
        place: &str,
        number: u32,
        octets: &[u8],
    ) -> Result<(), String>;

    /// The session is over; a message that isn't whole will never be.
    fn ended(&self, session: SessionId);
}

/// The servers that may prove themselves, and the TLS in which they do.
pub(crate) struct Known {
    roster: Arc<Roster>,
    pub(crate) tls: Arc<rustls::ServerConfig>,
}

/// Who the client has proved to be, and by which key.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) name: Box<str>,
    key: [u8; 32],
}

impl Known {
    pub(crate) fn prove(&self, key: [u8; 32]) -> Option<Proved> {
        let name = self.roster.identify(&key)?.into();
        Some(Proved { name, key })
    }

    /// Whether what was proved still holds.
    pub(crate) fn confirms(&self, proved: &Proved) -> bool {
        self.roster.proves(&proved.name, &proved.key)
    }
}

/// What a session watches that must end with the membership of its client.
pub(crate) type Changes = watch::Receiver<Option<Arc<Known>>>;

/// What all virtual servers know of members.
#[derive(Default)]
pub(crate) struct Members {
    known: watch::Sender<Option<Arc<Known>>>,
    sink: RwLock<Option<Arc<dyn StateSink>>>,
    refused: Mutex<HashSet<(IpAddr, String)>>,
}

impl Members {
    pub(crate) fn set(&self, own: &OwnKey, roster: Roster) -> Result<(), ConfigError> {
        let roster = Arc::new(roster);
        let tls = server_config(own, Arc::clone(&roster))?;
        self.known
            .send_replace(Some(Arc::new(Known { roster, tls })));
        // Who was refused before may be refused for another reason now.
        self.refused.lock().clear();
        Ok(())
    }

    pub(crate) fn set_sink(&self, sink: Arc<dyn StateSink>) {
        *self.sink.write() = Some(sink);
    }

    pub(crate) fn sink(&self) -> Option<Arc<dyn StateSink>> {
        self.sink.read().clone()
    }

    pub(crate) fn watch(&self) -> Changes {
        self.known.subscribe()
    }

    /// Whether this refusal is to be logged: it wasn't lately.
    pub(crate) fn is_news(&self, address: IpAddr, why: &str) -> bool {
        let mut refused = self.refused.lock();
        if refused.len() >= REFUSALS_MAX {
            refused.clear();
        }
        refused.insert((address, why.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_once_and_again_after_a_change() {
        let members = Members::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        assert!(members.is_news(address, "no key"));
        assert!(!members.is_news(address, "no key"));
        assert!(members.is_news(address, "another reason"));
        let folder = tempfile::tempdir().unwrap();
        let own = OwnKey::open(folder.path()).unwrap();
        members.set(&own, Roster::default()).unwrap();
        assert!(members.is_news(address, "no key"));
    }

    #[test]
    fn what_is_remembered_of_refusals_is_bounded() {
        let members = Members::default();
        for number in 0..5_000_u32 {
            members.is_news(IpAddr::from(number.to_be_bytes()), "no key");
        }
        assert!(members.refused.lock().len() <= REFUSALS_MAX);
    }
}
