//! All servers and relays, and what is done to them.

use super::relay::Relay;
use super::servers::{Server, smtp_address, views};
use super::{Ask, LabError, Options, Shared, ask_json, collecting, traffic};
use crate::account::Account;
use crate::command::{Command, Mode};
use crate::map::{LinkFacts, Map, ServerFacts};
use crate::plan::Plan;
use bridgehead_management_api::{LinkState, QueueList, Status};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tempfile::TempDir;

/// Rates over a shorter time than this say nothing.
const RATE_SPAN_MIN: Duration = Duration::from_millis(50);

pub(super) struct Lab {
    plan: Plan,
    pub(super) ask: Arc<dyn Ask>,
    pub(super) shared: Arc<Shared>,
    servers: BTreeMap<String, Server>,
    relays: BTreeMap<(String, String), Relay>,
    /// What the last map showed: when, sent, delivered, octets of each way.
    last: (Duration, u64, u64, BTreeMap<String, u64>),
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
            last: (Duration::ZERO, 0, 0, BTreeMap::new()),
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
                Ok(format!("{name} was killed"))
            }
            Command::Stop(name) => {
                self.running(name)?;
                self.shut_out(name);
                let server = self.server(name)?;
                server.ask_to_stop();
                server.stopped().await;
                Ok(format!("{name} has stopped"))
            }
            Command::Start(name) => {
                let ask = Arc::clone(&self.ask);
                let server = self.server(name)?;
                server.spawn()?;
                server.ready(&*ask).await?;
                self.let_in(name).await?;
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
        for (from, to) in there {
            let back = (!one_way).then(|| (to.clone(), from.clone()));
            for pair in [Some((from, to)), back].into_iter().flatten() {
                if let Some(relay) = self.relays.get(&pair) {
                    relay.set(mode);
                }
            }
        }
        if mode == Mode::Cut {
            self.shared.account.lock().cuts += 1;
        }
        let way = if one_way { ", this way only" } else { "" };
        Ok(format!("link {name}: {mode}{way}"))
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

    /// The map of now.
    pub(super) async fn map(&mut self, elapsed: Duration) -> Map {
        let mut states = Vec::new();
        let mut servers = BTreeMap::new();
        for (name, data) in self.servers() {
            let status = ask_json::<Status>(&*self.ask, &data, "/status").await.ok();
            let delivered = collecting::delivered(&*self.ask, &data, &name).await;
            let state = ask_json::<LinkState>(&*self.ask, &data, "/links/state").await;
            let state = state.ok().filter(|state| state.takes_part);
            let facts = ServerFacts {
                queued: status.map(|status| status.queued),
                delivered: delivered.unwrap_or(0),
                away: state.as_ref().map(|state| {
                    let away = state
                        .neighbours
                        .iter()
                        .filter(|neighbour| !neighbour.answers);
                    (away.count(), state.neighbours.len())
                }),
                name: name.clone(),
            };
            servers.insert(name, facts);
            states.extend(state);
        }
        let sent = self.shared.account.lock().sent.len() as u64;
        let delivered = servers.values().map(|server| server.delivered).sum();
        let (then, sent_then, delivered_then, octets_then) = std::mem::take(&mut self.last);
        let span = elapsed.saturating_sub(then);
        // The first map comes at once, and says nothing of rates.
        let span = if span < RATE_SPAN_MIN {
            f64::INFINITY
        } else {
            span.as_secs_f64()
        };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / span;
        let rates = (rate(sent, sent_then), rate(delivered, delivered_then));
        let mut octets = BTreeMap::new();
        let mut links = Vec::new();
        for link in &self.plan.links {
            for name in [link.name(), link.name_back()] {
                let mut facts = self.link_facts(&name, link.cost, &states);
                let passed = self.octets(&name);
                facts.rate = rate(passed, octets_then.get(&name).copied().unwrap_or(0));
                octets.insert(name, passed);
                links.push(facts);
            }
        }
        self.last = (elapsed, sent, delivered, octets);
        let sites = self.plan.sites.iter().map(|site| {
            let of_site = site.servers.iter();
            let of_site = of_site.filter_map(|name| servers.get(name).cloned());
            (site.name.clone(), of_site.collect())
        });
        Map {
            elapsed,
            sent,
            delivered,
            rates,
            sites: sites.collect(),
            links,
        }
    }

    fn ways(&self, link: &str) -> impl Iterator<Item = &Relay> {
        let pairs = self.plan.pairs_of(link).unwrap_or_default();
        pairs.into_iter().filter_map(|pair| self.relays.get(&pair))
    }

    fn octets(&self, link: &str) -> u64 {
        self.ways(link).map(Relay::octets).sum()
    }

    fn link_facts(&self, name: &str, cost: u32, states: &[LinkState]) -> LinkFacts {
        let mode = self.ways(name).map(Relay::mode).next().unwrap_or_default();
        let says_down = |state: &&LinkState| state.down.iter().any(|down| down == name);
        let dearer = states.iter().flat_map(|state| &state.dearer);
        let mut dearer = dearer.filter(|dearer| dearer.connector == name);
        LinkFacts {
            name: name.to_owned(),
            cost,
            state: mode.to_string(),
            rate: 0.0,
            known_down: (states.iter().filter(says_down).count(), states.len()),
            surcharge: dearer.next().map_or(0, |dearer| dearer.surcharge),
        }
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
