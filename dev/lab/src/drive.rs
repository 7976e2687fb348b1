//! The lab at work: starts everything, follows commands and the script, shows the map, accounts, and stops everything.

mod collecting;
mod lab;
mod relay;
mod servers;
mod traffic;
mod watching;

use crate::account::Account;
use crate::command::{Command, HELP, Script};
use crate::plan::Plan;
use lab::Lab;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// How often it is looked whether everything has arrived.
const SETTLE_EVERY: Duration = Duration::from_millis(500);
/// How often servers are asked what they believe of links.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The highest rate, in messages a second.
const RATE_MAX: f64 = 1000.0;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks servers at their admin sockets. Errors are sentences.
pub trait Ask: Send + Sync {
    /// The octets of an answer.
    fn get(&self, data: PathBuf, path: String) -> BoxFuture<'_, Result<Vec<u8>, String>>;
    /// The same with a body.
    fn post(
        &self,
        data: PathBuf,
        path: String,
        body: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, String>>;
}

async fn ask_json<T: DeserializeOwned>(
    ask: &dyn Ask,
    data: &Path,
    path: &str,
) -> Result<T, String> {
    let answer = ask.get(data.to_owned(), path.to_owned()).await?;
    serde_json::from_slice(&answer).map_err(|error| error.to_string())
}

/// What the lab is to do.
pub struct Options {
    /// What it looks like.
    pub plan: Plan,
    /// Messages a second, of all sites together.
    pub rate: f64,
    /// How long mail is sent.
    pub duration: Duration,
    /// How long after that it is waited for mail to arrive.
    pub patience: Duration,
    /// What is done meanwhile.
    pub script: Script,
    /// How often the map is shown.
    pub map_every: Duration,
    /// Whether it is drawn in place, on a terminal.
    pub redraw: bool,
    /// Where everything is kept; none: a temporary folder.
    pub folder: Option<PathBuf>,
    /// The program of the servers.
    pub program: PathBuf,
    /// What is typed, line by line.
    pub lines: mpsc::Receiver<String>,
    /// Resolves when the lab is to end at once.
    pub stop: BoxFuture<'static, ()>,
}

/// Why the lab ended without an account.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The folder can't be used.
    #[error("can't use the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A relay has no port.
    #[error("can't open a relay between servers")]
    Relay(#[source] std::io::Error),
    /// A process can't be started.
    #[error("can't start {server}")]
    Start {
        /// The server.
        server: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A server has no key by which others know it.
    #[error("{server} has no key as a member: {why}")]
    Key {
        /// The server.
        server: String,
        /// In words.
        why: String,
    },
    /// A server isn't ready.
    #[error("{server} isn't ready: {why}; the end of its log:\n{log}")]
    NotReady {
        /// The server.
        server: String,
        /// In words.
        why: String,
        /// Its last lines.
        log: String,
    },
    /// A server doesn't take the organisation.
    #[error("{server} doesn't take the organisation: {why}")]
    Organization {
        /// The server.
        server: String,
        /// In words.
        why: String,
    },
    /// An order that can't be followed.
    #[error("{0}")]
    Order(String),
    /// A number out of bounds.
    #[error("{0}")]
    Bounds(String),
    /// It was told to end.
    #[error("the lab was interrupted; nothing is accounted for")]
    Interrupted,
}

/// What senders and the lab share.
pub(crate) struct Shared {
    /// The mark of this run in subjects.
    run: String,
    next_id: AtomicU64,
    account: Mutex<Account>,
    /// Where the servers that are up take mail.
    addresses: Mutex<BTreeMap<String, SocketAddr>>,
}

/// Runs the lab; everything that it started has ended when it returns.
///
/// # Errors
/// If it can't be set up, or was interrupted.
pub async fn run(
    options: Options,
    ask: Arc<dyn Ask>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Account, LabError> {
    if !(options.rate > 0.0 && options.rate <= RATE_MAX) {
        let why = format!("the rate is above 0 and at most {RATE_MAX} messages a second");
        return Err(LabError::Bounds(why));
    }
    let mut lab = Lab::new(&options, ask)?;
    let result = work(&mut lab, options, say).await;
    lab.stop_all().await;
    result
}

async fn work(
    lab: &mut Lab,
    mut options: Options,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Account, LabError> {
    tokio::select! {
        started = lab.start_all(say) => started?,
        () = &mut options.stop => return Err(LabError::Interrupted),
    }
    say(HELP);
    let stop = watch::Sender::new(false);
    let plan = options.plan.clone();
    let mut senders = traffic::start(&plan, options.rate, &lab.shared, &stop.subscribe());
    let outcome = traffic_time(lab, &mut options, say).await;
    stop.send_replace(true);
    outcome?;
    let ended = async { while senders.join_next().await.is_some() {} };
    tokio::select! {
        () = ended => {}
        () = &mut options.stop => return Err(LabError::Interrupted),
    }
    say("no more mail is sent; waiting for what is on the way");
    tokio::select! {
        account = settle(lab, options.patience) => Ok(account),
        () = &mut options.stop => Err(LabError::Interrupted),
    }
}

/// Follows commands and shows the map until the time is over.
async fn traffic_time(
    lab: &mut Lab,
    options: &mut Options,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), LabError> {
    let begin = Instant::now();
    let end = begin + options.duration;
    let mut steps = std::mem::take(&mut options.script.steps)
        .into_iter()
        .peekable();
    let mut maps = interval(options.map_every.max(Duration::from_millis(100)));
    maps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut typing = true;
    loop {
        let next = steps.peek().map_or(end, |(after, _)| begin + *after);
        let order = tokio::select! {
            // In this order, so that a slow map doesn't keep commands waiting, and the first map comes after the first look.
            biased;
            () = &mut options.stop => return Err(LabError::Interrupted),
            () = sleep_until(end) => return Ok(()),
            () = sleep_until(next), if next < end => steps.next().map(|(_, order)| Ok(order)),
            line = options.lines.recv(), if typing => match line {
                Some(line) if line.trim().is_empty() => None,
                Some(line) => Some(Command::parse(&line)),
                None => {
                    typing = false;
                    None
                }
            },
            _ = looks.tick() => {
                for event in lab.look().await {
                    tell(lab, begin.elapsed(), &event, say);
                }
                None
            }
            _ = maps.tick() => Some(Ok(Command::Map)),
        };
        match order {
            None => {}
            Some(Err(fault)) => tell(lab, begin.elapsed(), &fault.to_string(), say),
            Some(Ok(Command::Quit)) => return Ok(()),
            Some(Ok(Command::Map)) => {
                let map = lab.map(begin.elapsed(), options.redraw).await;
                let clear = if options.redraw { "\x1b[H\x1b[2J" } else { "" };
                say(&format!("{clear}{}", map.text()));
            }
            Some(Ok(order)) => {
                let done = tokio::select! {
                    () = &mut options.stop => return Err(LabError::Interrupted),
                    done = lab.follow(&order) => done,
                };
                let done = done.unwrap_or_else(|why| format!("that can't be done: {why}"));
                tell(lab, begin.elapsed(), &done, say);
            }
        }
    }
}

fn tell(lab: &mut Lab, elapsed: Duration, words: &str, say: &mut (dyn FnMut(&str) + Send)) {
    let event = watching::event(elapsed, words);
    say(&event);
    lab.remember(&event);
}

/// Waits until everything has arrived, or as long as patience lasts; then asks for the ways that messages took.
async fn settle(lab: &mut Lab, patience: Duration) -> Account {
    let end = Instant::now() + patience;
    loop {
        let mut account = lab.shared.account.lock().clone();
        let servers = lab.servers();
        collecting::collect(&lab.ask, &servers, &lab.shared.run, &mut account, false).await;
        let is_over = Instant::now() >= end;
        if is_over || (account.is_settled() && account.silent.is_empty()) {
            collecting::collect(&lab.ask, &servers, &lab.shared.run, &mut account, true).await;
            collecting::find_waiting(&*lab.ask, &servers, &lab.shared.run, &mut account).await;
            return account;
        }
        sleep(SETTLE_EVERY).await;
    }
}
