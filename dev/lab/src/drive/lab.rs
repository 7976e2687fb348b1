//! All servers and relays, and what is done to them.

use super::relay::Relay;
use super::servers::{Server, smtp_address, views};
use super::watching::Seen;
use super::{Ask, LabError, Options, Shared, ask_json, traffic};
use crate::account::Account;
use crate::command::{Command, Mode};
use crate::plan::Plan;
use crate::turn::{Place, Turn};
use bridgehead_management_api::QueueList;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tempfile::TempDir;

pub(super) struct Lab {
    pub(super) plan: Plan,
    pub(super) ask: Arc<dyn Ask>,
    pub(super) shared: Arc<Shared>,
    servers: BTreeMap<String, Server>,
    pub(super) relays: BTreeMap<(String, String), Relay>,
    pub(super) seen: Seen,
    /// Goes when the lab goes.
    _folder: Option<TempDir>,
}

impl Lab {
    /// Folders, and nothing running yet.
    pub(super) fn new(options: &Options, ask: Arc<dyn Ask>) -> Result<Self, LabError> {
        let (folder, path) = match &options.folder {
            Some(path) => (
                None,
                std::path::absolute(path).map_err(|source| LabError::Folder {
                    path: path.clone(),
                    source,
                })?,
            ),
            None => {
                let made = tempfile::Builder::new().prefix("bridgehead-lab-").tempdir();
                let made = made.map_err(|source| LabError::Folder {
                    path: std::env::temp_dir(),
                    source,
                })?;
                let path = made.path().to_owned();
                (Some(made), path)
            }
        };
        let mut servers = BTreeMap::new();
        for (_, name) in options.plan.servers() {
            let server = Server::prepare(&options.program, &path, name)?;
            servers.insert(name.clone(), server);
        }
        Ok(Self {
            plan: options.plan.clone(),
            ask,
            shared: Arc::new(Shared {
                run: format!("{:x}", traffic::now()),
                next_id: AtomicU64::new(1),
                account: Mutex::new(Account::default()),
                addresses: Mutex::new(BTreeMap::new()),
            }),
            servers,
            relays: BTreeMap::new(),
            seen: Seen::default(),
            _folder: folder,
        })
    }

    /// Opens the relays, makes the keys, starts the servers and puts the organisation in force.
    pub(super) async fn start_all(
        &mut self,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), LabError> {
        for pair in self.plan.pairs() {
            let relay = Relay::open().await.map_err(LabError::Relay)?;
            self.relays.insert(pair, relay);
        }
        let mut keys = BTreeMap::new();
        if self.servers.len() > 1 {
            for (name, server) in &self.servers {
                keys.insert(name.clone(), server.member_key().await?);
            }
        }
        let ways = self.relays.iter();
        let ways = ways.map(|(pair, relay)| (pair.clone(), relay.address()));
        let views = views(&self.plan, &ways.collect(), &keys);
        for server in self.servers.values_mut() {
            server.spawn()?;
        }
        for (name, text) in views {
            let Some(server) = self.servers.get_mut(&name) else {
                continue;
            };
            server.ready(&*self.ask).await?;
            server.apply(&*self.ask, text).await?;
            self.let_in(&name).await?;
            say(&format!("{name} is up"));
        }
        Ok(())
    }

    /// A server that is ready takes mail at its address of now.
    async fn let_in(&mut self, name: &str) -> Result<(), LabError> {
        let Some(server) = self.servers.get_mut(name) else {
            return Ok(());
        };
        let status = server.ready(&*self.ask).await?;
        let address = smtp_address(&status, name).ok_or_else(|| LabError::NotReady {
            server: name.to_owned(),
            why: "it doesn't listen for mail".to_owned(),
            log: status.not_in_force.join("\n"),
        })?;
        self.shared
            .addresses
            .lock()
            .insert(name.to_owned(), address);
        self.lead(name, Some(address));
        Ok(())
    }

    fn lead(&self, name: &str, address: Option<std::net::SocketAddr>) {
        for ((_, to), relay) in &self.relays {
            if to == name {
                relay.lead_to(address);
            }
        }
    }

    /// Nobody gets in any more.
    fn shut_out(&self, name: &str) {
        self.shared.addresses.lock().remove(name);
        self.lead(name, None);
    }

    /// Does what a command says; what was done in words.
    pub(super) async fn follow(&mut self, order: &Command) -> Result<String, LabError> {
        match order {
            Command::Link {
                name,
                one_way,
                mode,
            } => self.set_link(name, *one_way, *mode),
            Command::Kill(name) => {
                self.running(name)?;
                self.shut_out(name);
                self.server(name)?.kill().await;
                self.shared.account.lock().kills += 1;
                self.note_server(format!("kill {name}"), name, true);
                Ok(format!("{name} was killed"))
            }
            Command::Stop(name) => {
                self.running(name)?;
                self.shut_out(name);
                let server = self.server(name)?;
                server.ask_to_stop();
                server.stopped().await;
                self.note_server(format!("stop {name}"), name, true);
                Ok(format!("{name} has stopped"))
            }
            Command::Start(name) => {
                let ask = Arc::clone(&self.ask);
                let server = self.server(name)?;
                server.spawn()?;
                server.ready(&*ask).await?;
                self.let_in(name).await?;
                self.note_server(format!("start {name}"), name, false);
                Ok(format!("{name} is up again"))
            }
            Command::Queues => Ok(self.queues().await),
            Command::Map | Command::Quit => Ok(String::new()),
        }
    }

    fn server(&mut self, name: &str) -> Result<&mut Server, LabError> {
        let server = self.servers.get_mut(name);
        server.ok_or_else(|| LabError::Order(format!("there is no server '{name}'")))
    }

    fn running(&mut self, name: &str) -> Result<(), LabError> {
        match self.server(name)?.is_running() {
            true => Ok(()),
            false => Err(LabError::Order(format!("{name} isn't running"))),
        }
    }

    fn set_link(&self, name: &str, one_way: bool, mode: Mode) -> Result<String, LabError> {
        let there = self.plan.pairs_of(name).ok_or_else(|| {
            let links: Vec<String> = self.plan.links.iter().map(crate::Link::name).collect();
            let links = match links.is_empty() {
                true => "none".to_owned(),
                false => links.join(", "),
            };
            LabError::Order(format!("there is no link '{name}'; there are: {links}"))
        })?;
        let mut names = vec![name.to_owned()];
        let mut pairs = there;
        if !one_way {
            names.extend(self.plan.link_back(name));
            let back = pairs.iter().map(|(from, to)| (to.clone(), from.clone()));
            pairs.extend(back.collect::<Vec<_>>());
        }
        for pair in &pairs {
            if let Some(relay) = self.relays.get(pair) {
                relay.set(mode);
            }
        }
        if mode == Mode::Cut {
            self.shared.account.lock().cuts += 1;
        }
        let word = match mode {
            Mode::Through => Some("heal"),
            Mode::Cut => Some("cut"),
            Mode::BlackHole => Some("blackhole"),
            // Mail goes on as it did.
            Mode::Slow { .. } => None,
        };
        if let Some(word) = word {
            let one_way = if one_way { " one-way" } else { "" };
            let words = format!("{word} {name}{one_way}");
            self.note(words, Place::Link { names, pairs }, mode != Mode::Through);
        }
        let way = if one_way { ", this way only" } else { "" };
        Ok(format!("link {name}: {mode}{way}"))
    }

    fn note_server(&self, words: String, name: &str, shut: bool) {
        self.note(words, Place::Server(name.to_owned()), shut);
    }

    fn note(&self, words: String, place: Place, shut: bool) {
        self.shared.account.lock().turns.push(Turn {
            at: traffic::now(),
            words,
            place,
            shut,
            known: None,
        });
    }

    /// All servers and their data directories.
    pub(super) fn servers(&self) -> Vec<(String, PathBuf)> {
        let servers = self.servers.values();
        servers
            .map(|server| (server.name.clone(), server.data()))
            .collect()
    }

    async fn queues(&self) -> String {
        let mut lines = Vec::new();
        for (name, data) in self.servers() {
            match ask_json::<QueueList>(&*self.ask, &data, "/queue").await {
                Err(why) => lines.push(format!("  {name}: {why}")),
                Ok(list) if list.groups.is_empty() => {
                    lines.push(format!("  {name}: nothing waits"))
                }
                Ok(list) => lines.extend(list.groups.iter().map(|group| {
                    let why = group.last_error.as_deref().unwrap_or("-");
                    format!("  {name}: {} on {}, {why}", group.count, group.link)
                })),
            }
        }
        lines.join("\n")
    }

    /// Ends all servers.
    pub(super) async fn stop_all(&mut self) {
        for server in self.servers.values_mut() {
            server.ask_to_stop();
        }
        for server in self.servers.values_mut() {
            server.stopped().await;
        }
    }
}
