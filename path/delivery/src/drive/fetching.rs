//! Asks other servers for mail that waits there: each at its times, and at once where somebody says so.
//!
//! Guards: one server is asked by one connection at a time, and not while what it was asked for before still comes; all that is
//! waited for has an end.

use super::connection::Connection;
use super::opening::ask;
use super::pace::NotConnected;
use super::reach::{Reach, Route};
use super::stream::Line;
use super::{Delivery, Shared};
use crate::fetching::{FetchPicture, Fetched, Said, wait_after};
use crate::settings::{FetchBy, FetchSettings, Settings};
use bridgehead_mail::{Domain, Failure, NextHop, Timestamp};
use bridgehead_smtp::client::{Answer, Asking};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// After a start, or a change, it is asked soon, but not before the virtual servers are there.
const FIRST: Duration = Duration::from_secs(10);
/// RFC 2645 §5.2: "The timeout for this command MUST be at least 10 minutes".
const ATRN_PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How long what comes over the connection is waited for, before it is told that it still comes.
const COMING_PATIENCE: Duration = Duration::from_secs(60);
/// How many may wait for an answer to the same question.
const ASKERS_MAX: usize = 8;

/// What becomes of a session on a connection that was turned round: messages that came, or why nothing can come.
pub type Receiving = Pin<Box<dyn Future<Output = Result<u64, String>> + Send>>;

/// Who takes mail on connections that were turned round.
pub trait Receive: Send + Sync {
    /// Serves the other side as a client of this virtual server. `tls` describes TLS, if it has started.
    fn receive(
        &self,
        virtual_server: &str,
        line: Box<dyn Line>,
        address: IpAddr,
        tls: Option<Box<str>>,
    ) -> Receiving;
}

/// Why nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// There is no such connector with mail to ask for.
    #[error("no mail is asked for with a connector of that name on this server")]
    Unknown,
    /// Others wait for the same answer.
    #[error("it is being asked already")]
    Busy,
}

/// All questions that are asked.
#[derive(Default)]
pub(super) struct Fetching {
    running: Mutex<HashMap<Box<str>, Running>>,
    receiver: RwLock<Option<Arc<dyn Receive>>>,
}

/// One that is asked again and again.
struct Running {
    settings: Arc<FetchSettings>,
    state: Arc<Mutex<State>>,
    asks: mpsc::Sender<oneshot::Sender<Fetched>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    asking: bool,
    next: Option<Timestamp>,
    failures: u32,
    last: Option<Fetched>,
}

impl Drop for Running {
    /// What was asked for and comes is a session of its own, and goes on.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Delivery {
    /// Who takes mail on connections that were turned round. Without one it isn't asked for by ATRN.
    pub fn set_receiver(&self, receiver: Arc<dyn Receive>) {
        *self.shared.fetching.receiver.write() = Some(receiver);
    }

    /// Asks for the mail of a connector now, and tells what came of it.
    ///
    /// # Errors
    /// If nothing is asked for with that connector, or it is being asked.
    pub async fn fetch_now(&self, connector: &str) -> Result<Fetched, NotAsked> {
        let asks = {
            let running = self.shared.fetching.running.lock();
            let found = running.get(connector).ok_or(NotAsked::Unknown)?;
            found.asks.clone()
        };
        let (asker, answer) = oneshot::channel();
        asks.try_send(asker).map_err(|_| NotAsked::Busy)?;
        // Dropped where the connector was changed meanwhile.
        answer.await.map_err(|_| NotAsked::Unknown)
    }

    /// What is asked for elsewhere, by connector.
    #[must_use]
    pub fn fetches(&self) -> Vec<FetchPicture> {
        let running = self.shared.fetching.running.lock();
        let pictures = running.iter().map(|(connector, running)| {
            let state = running.state.lock();
            FetchPicture {
                connector: connector.clone(),
                host: running.settings.host.clone(),
                by: in_words(running.settings.by),
                every: running.settings.every,
                asking: state.asking,
                next: state.next,
                failures: state.failures,
                last: state.last.clone(),
            }
        });
        let mut pictures: Vec<_> = pictures.collect();
        pictures.sort_unstable_by(|one, other| one.connector.cmp(&other.connector));
        pictures
    }

    /// Asks for nothing more.
    pub fn stop_fetching(&self) {
        self.shared.fetching.running.lock().clear();
    }

    /// From now on this is asked for. What stays the same keeps its times.
    pub(super) fn fetch_from_now_on(&self, settings: &Settings) {
        let mut running = self.shared.fetching.running.lock();
        running.retain(|name, one| settings.fetches.get(name) == Some(&one.settings));
        for (name, fetch) in &settings.fetches {
            if !running.contains_key(name) {
                let started = self.start_fetching(name.clone(), Arc::clone(fetch));
                running.insert(name.clone(), started);
            }
        }
    }

    fn start_fetching(&self, connector: Box<str>, settings: Arc<FetchSettings>) -> Running {
        let (asks, asked) = mpsc::channel(ASKERS_MAX);
        let state = Arc::new(Mutex::new(State::default()));
        let errand = Errand {
            shared: Arc::downgrade(&self.shared),
            connector,
            settings: Arc::clone(&settings),
            coming: None,
        };
        let task = tokio::spawn(errand.keep(Arc::clone(&state), asked));
        Running {
            settings,
            state,
            asks,
            task,
        }
    }
}

const fn in_words(by: FetchBy) -> &'static str {
    match by {
        FetchBy::Etrn => "ETRN",
        FetchBy::Atrn => "ATRN",
    }
}

/// Asks one server again and again.
struct Errand {
    shared: Weak<Shared>,
    connector: Box<str>,
    settings: Arc<FetchSettings>,
    /// The session over which comes what was asked for last.
    coming: Option<JoinHandle<Result<u64, String>>>,
}

impl Errand {
    async fn keep(
        mut self,
        state: Arc<Mutex<State>>,
        mut asked: mpsc::Receiver<oneshot::Sender<Fetched>>,
    ) {
        let mut wait = self.settings.every.min(FIRST);
        loop {
            state.lock().next = Some(wall_clock().after(wait));
            let asker = tokio::select! {
                () = sleep(wait) => None,
                asker = asked.recv() => match asker {
                    Some(asker) => Some(asker),
                    None => return,
                },
            };
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            state.lock().asking = true;
            let fetched = self.fetch(&shared).await;
            drop(shared);
            self.tell(&fetched);
            let mut state = state.lock();
            state.asking = false;
            state.failures = match fetched.worked() {
                true => 0,
                false => state.failures.saturating_add(1),
            };
            wait = wait_after(self.settings.every, state.failures);
            state.last = Some(fetched.clone());
            drop(state);
            if let Some(asker) = asker {
                // Nobody may be interested any more.
                let _ = asker.send(fetched);
            }
        }
    }

    fn tell(&self, fetched: &Fetched) {
        let connector = &*self.connector;
        for Said { asked, reply, .. } in &fetched.said {
            tracing::info!(connector, asked, reply, "another server was asked for mail");
        }
        if let Some(failure) = &fetched.failure {
            tracing::warn!(connector, failure, "another server can't be asked for mail");
        }
        if let Some(messages) = fetched.messages {
            tracing::info!(connector, messages, "what was asked for has come");
        }
    }

    async fn fetch(&mut self, shared: &Arc<Shared>) -> Fetched {
        let mut fetched = Fetched::at(wall_clock());
        self.coming.take_if(|coming| coming.is_finished());
        if self.coming.is_some() {
            fetched.coming = true;
            return fetched;
        }
        if let Err(failure) = self.ask(shared, &mut fetched).await {
            fetched.failure = Some(failure.to_string().into());
        }
        fetched
    }

    async fn ask(&mut self, shared: &Arc<Shared>, fetched: &mut Fetched) -> Result<(), NotFetched> {
        let settings = Arc::clone(&shared.settings.read());
        let hop = NextHop::SmartHosts {
            connector: self.connector.clone(),
            hosts: [self.settings.host.clone()].into(),
            apart: None,
        };
        let connector = super::courier::connector(&settings, &hop);
        let link = hop.link();
        let tls = shared.trust.of(&connector);
        let reach = Reach::of(shared, &settings, (&connector, &tls), &link);
        let mut route = Route::find(&hop, reach).await?;
        let (mut connection, place) = route.next(reach).await?;
        let domains = self.settings.domains.clone();
        if self.settings.by == FetchBy::Etrn {
            let asked = etrn(&mut connection, &domains, fetched).await;
            connection.quit().await;
            return asked;
        }
        // What is turned isn't this server's to close; the rest is.
        if !atrn(&mut connection, &domains, fetched).await? {
            connection.quit().await;
            return Ok(());
        }
        let address = place.address().ip();
        let tls = connection.tls();
        let line = connection.turn_round().ok_or(NotFetched::Early)?;
        let receiver = shared.fetching.receiver.read().clone();
        let receiver = receiver.ok_or(NotFetched::NoReceiver)?;
        let session = receiver.receive(&self.settings.virtual_server, line, address, tls);
        let mut session = tokio::spawn(async move {
            let came = session.await;
            drop(place);
            came
        });
        match timeout(COMING_PATIENCE, &mut session).await {
            Ok(Ok(came)) => fetched.messages = Some(came.map_err(NotFetched::NotReceived)?),
            Ok(Err(_)) => return Err(NotFetched::NoReceiver),
            Err(_) => {
                fetched.coming = true;
                self.coming = Some(session);
            }
        }
        Ok(())
    }
}

/// Why nothing could be asked, or nothing came.
#[derive(Debug, thiserror::Error)]
enum NotFetched {
    #[error("{0}")]
    Failed(Failure),
    #[error("{0}")]
    Paused(Box<str>),
    #[error("the domains don't fit into a command line of 512 octets")]
    TooLong,
    #[error("it said something behind its answer, before this side was greeted")]
    Early,
    #[error("nobody takes mail on a connection that is turned round")]
    NoReceiver,
    #[error("what was asked for can't be taken: {0}")]
    NotReceived(String),
}

impl From<Failure> for NotFetched {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<NotConnected> for NotFetched {
    fn from(not: NotConnected) -> Self {
        match not {
            NotConnected::Failed(failure) => Self::Failed(failure),
            NotConnected::Paused(paused) => Self::Paused(paused.why.as_ref().into()),
        }
    }
}

/// One question after the other (RFC 1985 §5.3 has one domain in each).
async fn etrn(
    connection: &mut Connection,
    domains: &[Domain],
    fetched: &mut Fetched,
) -> Result<(), NotFetched> {
    for domain in domains {
        let asking = Asking::Etrn(domain);
        let line = asking.line().ok_or(NotFetched::TooLong)?;
        let reply = ask(connection, &line).await?;
        let answer = asking.answer(&reply);
        fetched.said.push(Said {
            asked: line.into(),
            reply: reply.to_string().into(),
            answer,
        });
    }
    Ok(())
}

/// Returns whether the connection is turned round.
async fn atrn(
    connection: &mut Connection,
    domains: &[Domain],
    fetched: &mut Fetched,
) -> Result<bool, NotFetched> {
    let asking = Asking::Atrn(domains);
    let line = asking.line().ok_or(NotFetched::TooLong)?;
    connection.write(format!("{line}\r\n").as_bytes()).await?;
    let reply = connection.reply(ATRN_PATIENCE).await?;
    let answer = asking.answer(&reply);
    fetched.said.push(Said {
        asked: line.into(),
        reply: reply.to_string().into(),
        answer,
    });
    Ok(answer == Answer::Turned)
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
