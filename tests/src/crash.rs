//! The crash test: load from several clients, SIGKILL at random moments, a restart, again and again; at the end,
//! whatever was answered 250 must have arrived.
//!
//! A message may arrive twice at a next hop only with a kill between the two: it was in flight then. In a mailbox it may
//! never be twice, because the store knows the message's id.

use crate::organization::Organization;
use crate::server::Server;
use crate::{binary, wait};
use bridgehead_testkit::client::Client;
use bridgehead_testkit::sink::Sink;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long the backlog may take to drain at the end.
const DRAIN: Duration = Duration::from_secs(300);
/// How many mailbox messages are read in full at the end; of the others the list is compared.
const READ_IN_FULL: usize = 200;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub binary: PathBuf,
    pub rounds: u32,
    pub seed: u64,
    pub clients: u32,
}

impl Plan {
    /// The usual one, for the binary under test.
    pub fn new(rounds: u32, seed: u64) -> Self {
        Self {
            binary: binary::bridgehead().to_owned(),
            rounds,
            seed,
            clients: 6,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub rounds: u32,
    /// Kills before the server said that it is ready.
    pub kills_in_recovery: u32,
    pub seed: u64,
    /// Messages answered 250.
    pub answered: usize,
    /// Messages whose answer never came because of a kill; they may have arrived or not.
    pub unanswered: usize,
    /// Unanswered ones that arrived.
    pub arrived_unanswered: usize,
    /// Answered, but not where they should be.
    pub missing: Vec<String>,
    /// Arrived with other octets than were sent, or never sent at all.
    pub wrong: Vec<String>,
    /// Arrived at the next hop again after a kill.
    pub duplicates_over_kill: usize,
    /// Arrived at the next hop twice without a kill between.
    pub duplicates_without_kill: Vec<String>,
    /// Twice in a mailbox.
    pub duplicates_in_mailbox: Vec<String>,
}

impl Outcome {
    /// Whether nothing is missing, wrong, or twice without cause.
    pub fn is_good(&self) -> bool {
        self.missing.is_empty()
            && self.wrong.is_empty()
            && self.duplicates_without_kill.is_empty()
            && self.duplicates_in_mailbox.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed                                     {}", self.seed)?;
        writeln!(
            f,
            "kills                                    {}",
            self.rounds
        )?;
        writeln!(
            f,
            "  of them before the server was ready    {}",
            self.kills_in_recovery
        )?;
        writeln!(
            f,
            "answered 250                             {}",
            self.answered
        )?;
        writeln!(
            f,
            "without an answer because of a kill      {}",
            self.unanswered
        )?;
        writeln!(
            f,
            "  of them arrived                        {}",
            self.arrived_unanswered
        )?;
        writeln!(
            f,
            "answered and missing                     {}",
            self.missing.len()
        )?;
        writeln!(
            f,
            "wrong octets, or never sent              {}",
            self.wrong.len()
        )?;
        writeln!(
            f,
            "again at the next hop after a kill       {}",
            self.duplicates_over_kill
        )?;
        writeln!(
            f,
            "twice at the next hop without a kill     {}",
            self.duplicates_without_kill.len()
        )?;
        write!(
            f,
            "twice in a mailbox                       {}",
            self.duplicates_in_mailbox.len()
        )?;
        for (what, names) in [
            ("missing", &self.missing),
            ("wrong", &self.wrong),
            ("twice without a kill", &self.duplicates_without_kill),
            ("twice in a mailbox", &self.duplicates_in_mailbox),
        ] {
            for name in names.iter().take(10) {
                write!(f, "\n{what}: {name}")?;
            }
        }
        Ok(())
    }
}

/// Where a message must arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    local: bool,
    remote: bool,
}

/// What the clients know.
#[derive(Default)]
struct Ledger {
    answered: BTreeMap<String, Target>,
    unanswered: BTreeSet<String>,
}

/// What clients and the one who kills share.
struct Scene {
    /// Where the server listens now; none while it is down.
    address: Mutex<Option<SocketAddr>>,
    ledger: Mutex<Ledger>,
    done: AtomicBool,
}

/// Runs the plan.
pub fn run(plan: &Plan) -> Outcome {
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .server("retry-schedule = [\"1s\"]")
        .inbound("max-sessions-per-client = 1000")
        .smart_host("out", "*", sink.address());
    let mut server = Server::start_binary(&plan.binary, &organization);
    let scene = Arc::new(Scene {
        address: Mutex::new(Some(server.inbound())),
        ledger: Mutex::default(),
        done: AtomicBool::new(false),
    });
    let clients: Vec<_> = (0..plan.clients)
        .map(|number| {
            let scene = Arc::clone(&scene);
            let random = StdRng::seed_from_u64(plan.seed ^ (u64::from(number) << 32));
            thread::spawn(move || load(&scene, number, random))
        })
        .collect();
    let mut arrivals = Arrivals::default();
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut outcome = Outcome {
        rounds: plan.rounds,
        seed: plan.seed,
        ..Outcome::default()
    };
    for _ in 0..plan.rounds {
        if random.random_ratio(1, 8) {
            outcome.kills_in_recovery += 1;
            kill_in_recovery(&mut server, &scene, &mut random);
        } else {
            thread::sleep(Duration::from_millis(random.random_range(10..700)));
            stop_at_once(&mut server, &scene);
        }
        arrivals.killed(&sink);
        server.run(&[]);
        *scene.address.lock().unwrap() = Some(server.inbound());
        arrivals.take(&sink);
    }
    scene.done.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("a client doesn't fail");
    }
    drain(&server, &sink, &mut arrivals);
    let ledger = std::mem::take(&mut *scene.ledger.lock().unwrap());
    compare(&ledger, &arrivals, &server, &mut outcome);
    outcome
}

/// Kills it while it reads what the one before it left.
fn kill_in_recovery(server: &mut Server, scene: &Scene, random: &mut StdRng) {
    stop_at_once(server, scene);
    let lines = server.spawn(&[]);
    thread::sleep(Duration::from_millis(random.random_range(0..60)));
    drop(lines);
    server.kill();
}

fn stop_at_once(server: &mut Server, scene: &Scene) {
    server.kill();
    *scene.address.lock().unwrap() = None;
}

/// One client: sends until all is done.
fn load(scene: &Scene, client: u32, mut random: StdRng) {
    let mut number = 0_u32;
    while !scene.done.load(Ordering::SeqCst) {
        let address = *scene.address.lock().unwrap();
        let Some(mut session) = address.and_then(|address| open(address).ok()) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        for _ in 0..random.random_range(1..40) {
            let name = format!("m{client}-{number}");
            number += 1;
            if !transaction(&mut session, scene, &name, &mut random) {
                break;
            }
            thread::sleep(Duration::from_micros(random.random_range(0..8000)));
        }
    }
}

fn open(address: SocketAddr) -> io::Result<Client> {
    let mut client = Client::connect(address)?;
    client.ehlo("load.example.org")?;
    Ok(client)
}

/// One message; false if the session is over. What was answered is in the ledger when this returns.
fn transaction(session: &mut Client, scene: &Scene, name: &str, random: &mut StdRng) -> bool {
    let target = match random.random_range(0..3) {
        0 => Target {
            local: true,
            remote: false,
        },
        1 => Target {
            local: false,
            remote: true,
        },
        _ => Target {
            local: true,
            remote: true,
        },
    };
    let content = content(name, size(random));
    let mut to = Vec::new();
    if target.local {
        to.push("alice@example.test");
    }
    if target.remote {
        to.push("b@example.net");
    }
    match session.send("a@example.org", &to, &content) {
        Ok(reply) if reply.code == 250 => {
            let mut ledger = scene.ledger.lock().unwrap();
            ledger.answered.insert(name.to_owned(), target);
            true
        }
        // Refused: nobody took responsibility, and it may not arrive.
        Ok(_) => true,
        Err(_) => {
            scene
                .ledger
                .lock()
                .unwrap()
                .unanswered
                .insert(name.to_owned());
            false
        }
    }
}

/// Mostly small; some beyond the size up to which content lies in the log itself.
fn size(random: &mut StdRng) -> usize {
    match random.random_range(0..20) {
        0 => random.random_range(100_000..400_000),
        1..=4 => random.random_range(5_000..40_000),
        _ => random.random_range(100..3_000),
    }
}

/// The whole content follows from the name and the size, so that nobody has to remember it.
fn content(name: &str, size: usize) -> Vec<u8> {
    let mut content = format!("Subject: {name} {size}\r\n\r\n").into_bytes();
    let mut line = 0_u32;
    while content.len() < size {
        content.extend_from_slice(
            format!("{name} line {line} of what must not change\r\n").as_bytes(),
        );
        line += 1;
    }
    content
}

/// Name and size, as the subject says.
fn read_subject(subject: &str) -> Option<(String, usize)> {
    let (name, size) = subject.trim().split_once(' ')?;
    Some((name.to_owned(), size.parse().ok()?))
}

/// The name of a message, if its octets are those that were sent.
fn verify(arrived: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(arrived);
    let subject = text
        .lines()
        .find_map(|line| line.strip_prefix("Subject: "))
        .ok_or("a message without its subject")?;
    let (name, size) = read_subject(subject).ok_or_else(|| format!("never sent: {text}"))?;
    if arrived.ends_with(&content(&name, size)) {
        Ok(name)
    } else {
        Err(name)
    }
}

/// What arrived at the next hop.
#[derive(Default)]
struct Arrivals {
    /// Name to the number of the connection of each arrival.
    remote: BTreeMap<String, Vec<u64>>,
    wrong: Vec<String>,
    /// How many connections there had been at each kill.
    kills: Vec<u64>,
}

impl Arrivals {
    fn take(&mut self, sink: &Sink) {
        for one in sink.take() {
            match verify(&one.content) {
                Ok(name) => self.remote.entry(name).or_default().push(one.connection),
                Err(what) => self.wrong.push(what),
            }
        }
    }

    /// The server is dead; what it sent may still be on its way to the sink, but over connections that exist.
    fn killed(&mut self, sink: &Sink) {
        thread::sleep(Duration::from_millis(20));
        self.kills.push(sink.connections());
    }

    /// How many kills there had been when this connection was opened.
    fn kills_before(&self, connection: u64) -> usize {
        self.kills.partition_point(|kill| *kill < connection)
    }
}

/// Waits until nothing is queued any more.
fn drain(server: &Server, sink: &Sink, arrivals: &mut Arrivals) {
    server.command(&["queue", "retry", "--all"]);
    let empty = wait::try_until(DRAIN, || (server.queued() == 0).then_some(()));
    arrivals.take(sink);
    assert!(
        empty.is_some(),
        "the queue doesn't drain: {:#}",
        server.ask(&["queue", "list"])
    );
}

fn compare(ledger: &Ledger, arrivals: &Arrivals, server: &Server, outcome: &mut Outcome) {
    let local = read_mailbox(server, outcome);
    outcome.answered = ledger.answered.len();
    outcome.unanswered = ledger.unanswered.len();
    outcome.wrong.extend(arrivals.wrong.iter().cloned());
    for (name, target) in &ledger.answered {
        if target.local && !local.contains_key(name) {
            outcome.missing.push(format!("{name} in the mailbox"));
        }
        if target.remote && !arrivals.remote.contains_key(name) {
            outcome.missing.push(format!("{name} at the next hop"));
        }
    }
    let arrived: BTreeSet<&String> = local.keys().chain(arrivals.remote.keys()).collect();
    for name in arrived {
        if ledger.unanswered.contains(name) {
            outcome.arrived_unanswered += 1;
        } else if !ledger.answered.contains_key(name) {
            outcome
                .wrong
                .push(format!("{name} was refused and arrived"));
        }
    }
    for (name, connections) in &arrivals.remote {
        for pair in connections.windows(2) {
            if arrivals.kills_before(pair[0]) == arrivals.kills_before(pair[1]) {
                outcome.duplicates_without_kill.push(name.clone());
            } else {
                outcome.duplicates_over_kill += 1;
            }
        }
    }
    for (name, count) in &local {
        if *count > 1 {
            outcome
                .duplicates_in_mailbox
                .push(format!("{name}: {count} times"));
        }
    }
}

/// How often each message is in the mailbox; some are read in full.
fn read_mailbox(server: &Server, outcome: &mut Outcome) -> BTreeMap<String, u32> {
    let list = server.ask(&["mailbox", "messages", "alice"]);
    let messages = list["messages"].as_array().unwrap();
    let mut counts = BTreeMap::new();
    let every = (messages.len() / READ_IN_FULL).max(1);
    for (number, message) in messages.iter().enumerate() {
        let subject = message["subject"].as_str().unwrap_or_default();
        let Some((name, size)) = read_subject(subject) else {
            outcome
                .wrong
                .push(format!("in the mailbox: subject {subject:?}"));
            continue;
        };
        let octets = message["size"].as_u64().unwrap_or(0);
        if octets < content(&name, size).len() as u64 {
            outcome
                .wrong
                .push(format!("{name} has {octets} octets in the mailbox"));
        }
        if number % every == 0 {
            let uid = message["uid"].as_u64().unwrap();
            if let Err(what) = verify(&server.cat("alice", uid)) {
                outcome.wrong.push(format!("in the mailbox: {what}"));
            }
        }
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

/// Plays a write that was cut by a power failure: octets of no meaning behind the last record of the newest segment of
/// the spool.
pub fn tear_newest_segment(data: &Path) {
    let segment = newest_segment(&data.join("queue")).expect("a segment in the spool");
    let octets = fs::read(&segment).unwrap();
    let end = octets
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |last| last + 1);
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.write_all_at(&[0x5A; 300], end as u64).unwrap();
}

fn newest_segment(dir: &Path) -> Option<PathBuf> {
    let mut segments: Vec<PathBuf> = fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            path.is_file() && name.starts_with("segment-")
        })
        .collect();
    segments.sort();
    segments.pop()
}
