//! The directory's servers: which to ask, how to follow them, and what to do when one is away.
//!
//! Guards: a server that fails is left for the next at once; when all fail, the pauses grow, with jitter.

mod active_directory;
mod connection;
mod finding;
mod keeping;
#[cfg(feature = "gssapi")]
mod kerberos;
#[cfg(not(feature = "gssapi"))]
#[path = "drive/no_kerberos.rs"]
mod kerberos;
mod polling;
mod reading;
mod sharing;
mod synchronization;
mod tls;

use crate::cursor::Cursor;
use crate::map::{CONFIGURATION, RECIPIENTS};
use crate::{LdapError, LdapSettings, LoginBy, ServerUrl};
use bridgehead_directory::{Bind, BindError, Bound, News};
use bridgehead_ldap::{Filter, Scope, Search};
use connection::Connection;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsConnector;

/// The first pause after all servers failed, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A directory that is asked by LDAP. Cheap to clone.
#[derive(Clone)]
pub struct LdapDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    settings: LdapSettings,
    tls: TlsConnector,
    /// Which server was asked last with success.
    preferred: AtomicUsize,
    /// Told when this server has written something.
    written: Notify,
}

impl std::fmt::Debug for LdapDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.settings.fmt(f)
    }
}

/// What the root of a server says (RFC 4512 §5.1).
#[derive(Clone, Debug, Default)]
struct Root {
    contexts: Vec<String>,
    default_context: Option<String>,
    controls: Vec<String>,
    /// The DN of the domain controller's own settings; none where it is none.
    controller: Option<String>,
    usn: u64,
}

/// What is known while a directory is followed.
struct Following<'a> {
    settings: &'a LdapSettings,
    question: String,
    cursor: Option<Cursor>,
    news: &'a mpsc::Sender<News>,
    written: &'a Notify,
    /// Whether something came of the last try.
    progress: bool,
}

impl Following<'_> {
    async fn tell(&mut self, news: News) -> Result<(), LdapError> {
        self.news.send(news).await.map_err(|_| LdapError::Over)
    }

    async fn commit(&mut self, cursor: Cursor) -> Result<(), LdapError> {
        let octets = cursor.encode(&self.question);
        self.cursor = Some(cursor);
        self.progress = true;
        self.tell(News::Commit(octets)).await
    }

    async fn alive(&mut self) -> Result<(), LdapError> {
        self.progress = true;
        self.tell(News::Alive).await
    }

    /// Which entries are asked for.
    fn filter(&self) -> Result<Filter, LdapError> {
        // The operator's own filter is about people.
        let own = self.settings.filter.as_deref().unwrap_or_default();
        let text = format!("(|(&{RECIPIENTS}{own}){CONFIGURATION})");
        Filter::parse(&text).map_err(|error| LdapError::NoServer {
            reason: error.to_string(),
        })
    }
}

impl LdapDirectory {
    /// With these settings. Reads the file of trusted certificates.
    ///
    /// # Errors
    /// If that file can't be used, or the filter isn't one.
    pub fn new(settings: LdapSettings) -> Result<Self, LdapError> {
        let tls = tls::connector(settings.ca_file.as_deref())?;
        if let Some(filter) = &settings.filter {
            Filter::parse(filter).map_err(|error| LdapError::NoServer {
                reason: error.to_string(),
            })?;
        }
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                tls,
                preferred: AtomicUsize::new(0),
                written: Notify::new(),
            }),
        })
    }

    /// Follows the directory from where the cursor says on, and tells all news, until nobody listens any more.
    pub async fn follow(&self, from: Option<Vec<u8>>, news: &mpsc::Sender<News>) {
        let settings = &self.inner.settings;
        let question = question(settings);
        let mut following = Following {
            settings,
            cursor: from.and_then(|octets| Cursor::decode(&octets, &question)),
            question,
            news,
            written: &self.inner.written,
            progress: false,
        };
        let mut pause = PAUSE_MIN;
        loop {
            match self.round(&mut following).await {
                Err(LdapError::Over) => return,
                Err(error) => {
                    let words = in_words(&error);
                    if following.tell(News::Trouble(words)).await.is_err() {
                        return;
                    }
                }
                Ok(()) => {}
            }
            if std::mem::take(&mut following.progress) {
                pause = PAUSE_MIN;
                continue;
            }
            let jitter = rand::random_range(0.5..1.0);
            tokio::select! {
                () = news.closed() => return,
                () = tokio::time::sleep(pause.mul_f64(jitter)) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Follows one server after the other, each until it fails; ends when all failed, or one after it had news.
    async fn round(&self, following: &mut Following<'_>) -> Result<(), LdapError> {
        let servers = self.servers().await?;
        let first = self.inner.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for number in 0..servers.len() {
            let at = (first + number) % servers.len();
            let Some(server) = servers.get(at) else {
                continue;
            };
            let error = match self.follow_one(server, following, at).await {
                Err(LdapError::Over) => return Err(LdapError::Over),
                Err(error) => error,
                Ok(()) => continue,
            };
            tracing::warn!(error = in_words(&error), "a server of the directory fails");
            if following.progress {
                // The next one is tried at once.
                self.inner.preferred.store(at + 1, Ordering::Relaxed);
                return Err(error);
            }
            last = Some(error);
        }
        last.map_or(Ok(()), Err)
    }

    async fn follow_one(
        &self,
        server: &ServerUrl,
        following: &mut Following<'_>,
        at: usize,
    ) -> Result<(), LdapError> {
        let mut connection = self.connect(server).await?;
        let root = root(&mut connection).await?;
        self.inner.preferred.store(at, Ordering::Relaxed);
        tracing::info!(%server, "the directory is followed");
        if root.controller.is_some() {
            active_directory::follow(&mut connection, root, following).await
        } else if root.controls.iter().any(|oid| oid == SYNC) {
            let ended = synchronization::follow(&mut connection, &root, following).await;
            match ended {
                // A server may know the control and not have it for this database.
                Err(error) if error.code() == Some(UNAVAILABLE) => {
                    polling::follow(&mut connection, &root, following).await
                }
                other => other,
            }
        } else {
            polling::follow(&mut connection, &root, following).await
        }
    }

    /// A connection that is bound as the user of the settings.
    async fn connect(&self, server: &ServerUrl) -> Result<Connection, LdapError> {
        let settings = &self.inner.settings;
        let mut connection = Connection::open(server, settings, &self.inner.tls).await?;
        match settings.login {
            LoginBy::Password => connection.bind(&settings.user, &settings.password).await?,
            LoginBy::Kerberos => kerberos::bind(&mut connection, server, settings).await?,
        }
        Ok(connection)
    }

    /// The servers of the settings, or those that DNS names.
    async fn servers(&self) -> Result<Vec<ServerUrl>, LdapError> {
        let settings = &self.inner.settings;
        match &settings.domain {
            Some(domain) if settings.servers.is_empty() => finding::servers(domain, settings).await,
            _ => Ok(settings.servers.clone()),
        }
    }

    /// Whether this is the password of the entry with this DN.
    ///
    /// # Errors
    /// If no server can say.
    pub async fn check_password(&self, place: &str, password: &str) -> Result<bool, LdapError> {
        // RFC 4513 §5.1.2: a bind without a password succeeds for anybody.
        if password.is_empty() || place.is_empty() {
            return Ok(false);
        }
        let servers = self.servers().await?;
        let first = self.inner.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for number in 0..servers.len() {
            let Some(server) = servers.get((first + number) % servers.len()) else {
                continue;
            };
            match self.try_password(server, place, password).await {
                Ok(right) => return Ok(right),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(LdapError::NoServer {
            reason: "none is named".to_owned(),
        }))
    }

    async fn try_password(
        &self,
        server: &ServerUrl,
        place: &str,
        password: &str,
    ) -> Result<bool, LdapError> {
        /// RFC 4511 appendix A: noSuchObject, inappropriateAuthentication, invalidCredentials.
        const WRONG: [u32; 3] = [32, 48, 49];
        let settings = &self.inner.settings;
        let mut connection = Connection::open(server, settings, &self.inner.tls).await?;
        let outcome = match connection.bind(place, password).await {
            Ok(()) => Ok(true),
            Err(error) if error.code().is_some_and(|code| WRONG.contains(&code)) => Ok(false),
            Err(error) => Err(error),
        };
        connection.close().await;
        outcome
    }
}

impl Bind for LdapDirectory {
    fn bind<'a>(&'a self, place: &'a str, password: &'a str) -> Bound<'a> {
        Box::pin(async move {
            let checked = self.check_password(place, password).await;
            checked.map_err(|error| BindError(in_words(&error)))
        })
    }
}

/// RFC 4511 appendix A: unavailableCriticalExtension.
const UNAVAILABLE: u32 = 12;
/// RFC 4533 §2.2.
const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";

/// What is asked: with another question the answers so far are worth nothing.
fn question(settings: &LdapSettings) -> String {
    format!(
        "{}\n{}\n{}",
        settings.base,
        settings.configuration_base.as_deref().unwrap_or_default(),
        settings.filter.as_deref().unwrap_or_default()
    )
}

/// An error with its causes.
fn in_words(error: &LdapError) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = cause.source();
    }
    words
}

async fn root(connection: &mut Connection) -> Result<Root, LdapError> {
    let filter = Filter::parse("(objectClass=*)").map_err(|error| LdapError::NoServer {
        reason: error.to_string(),
    })?;
    let search = Search {
        base: "",
        scope: Scope::Base,
        filter: &filter,
        attributes: &[
            "namingContexts",
            "defaultNamingContext",
            "supportedControl",
            "dsServiceName",
            "highestCommittedUSN",
        ],
    };
    let found = connection.find(&search).await?;
    let entry = found.unwrap_or_default();
    let texts = |attribute: &str| -> Vec<String> {
        let values = entry.values(attribute).iter();
        values
            .filter_map(|value| String::from_utf8(value.clone()).ok())
            .collect()
    };
    Ok(Root {
        contexts: texts("namingContexts"),
        default_context: entry.text("defaultNamingContext").map(ToOwned::to_owned),
        controls: texts("supportedControl"),
        controller: entry.text("dsServiceName").map(ToOwned::to_owned),
        usn: entry
            .text("highestCommittedUSN")
            .and_then(|usn| usn.parse().ok())
            .unwrap_or_default(),
    })
}
