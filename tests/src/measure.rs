//! Measures whole processes under our own generator of load: messages a second, and CPU seconds for 1000 messages.
//!
//! Bridgehead, Postfix and the floor take turns cell by cell, so that all see the same minute of a machine that others use too.

mod floor;
mod idle;
mod slow_disk;
mod smtp_sink;

pub use floor::{Floor, can as floor_can, serve as serve_floor};
pub use idle::{Idle, idle};
pub use slow_disk::slow_disk;
pub use smtp_sink::SmtpSink;

use crate::organization::Organization;
use crate::postfix::{Job, Postfix};
use crate::process::{cpu_of_tree, resident};
use crate::server::Server;
use crate::{tools, wait};
use bridgehead_load::{Connections, Pipelining, Plan, Report};
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a cell may take.
const CELL: Duration = Duration::from_secs(300);
/// A process whose CPU time stands still for this long has done its work.
const QUIET: Duration = Duration::from_millis(300);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Taken into the queue; the next hop is away.
    Accept,
    /// Until the sink has all.
    Relay,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub scenario: Scenario,
    pub sessions: u32,
    pub size: usize,
    pub messages: u64,
    pub connections: Connections,
    pub pipelining: Pipelining,
}

impl Cell {
    /// Connections that are reused, without pipelining: as Postfix's own generator does it.
    pub const fn new(scenario: Scenario, sessions: u32, size: usize, messages: u64) -> Self {
        Self {
            scenario,
            sessions,
            size,
            messages,
            connections: Connections::Reused,
            pipelining: Pipelining::Off,
        }
    }

    fn plan(&self, targets: &[SocketAddr]) -> Plan {
        Plan {
            targets: targets.to_vec(),
            sessions: self.sessions,
            messages: self.messages,
            size: self.size,
            connections: self.connections,
            pipelining: self.pipelining,
            time: CELL,
            ..Plan::to(targets[0])
        }
    }
}

/// Its result.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub messages_per_second: f64,
    /// CPU seconds of the server and all its processes for 1000 messages.
    pub cpu_per_thousand: f64,
    /// The same of the generator.
    pub generator_cpu_per_thousand: f64,
}

/// A server that can be measured.
pub trait Subject {
    fn address(&self) -> SocketAddr;
    fn process_id(&self) -> u32;
}

impl Subject for Server {
    fn address(&self) -> SocketAddr {
        self.inbound()
    }

    fn process_id(&self) -> u32 {
        Self::process_id(self)
    }
}

impl Subject for Postfix {
    fn address(&self) -> SocketAddr {
        Self::address(self)
    }

    fn process_id(&self) -> u32 {
        Self::process_id(self)
    }
}

/// Sends what a cell says to these addresses; every message must be accepted.
pub fn load(targets: &[SocketAddr], cell: &Cell) -> Report {
    let report = bridgehead_load::run(&cell.plan(targets)).unwrap();
    assert_eq!(report.accepted, cell.messages, "{report:?}");
    report
}

/// Measures one cell.
pub fn measure(subject: &dyn Subject, sink: &SmtpSink, cell: &Cell) -> Figure {
    let pid = subject.process_id();
    let cpu_before = quiet_cpu(pid);
    let sunk_before = sink.count();
    let start = Instant::now();
    let report = load(&[subject.address()], cell);
    let mut elapsed = Duration::from_secs_f64(report.seconds);
    if cell.scenario == Scenario::Relay {
        let wanted = sunk_before + cell.messages;
        wait::try_until(CELL, || (sink.count() >= wanted).then_some(()))
            .unwrap_or_else(|| panic!("the sink has {} of {wanted}", sink.count()));
        elapsed = start.elapsed();
    }
    let cpu = quiet_cpu(pid).saturating_sub(cpu_before);
    let messages = cell.messages as f64;
    Figure {
        messages_per_second: messages / elapsed.as_secs_f64(),
        cpu_per_thousand: cpu.as_secs_f64() * 1000.0 / messages,
        generator_cpu_per_thousand: report.cpu_seconds * 1000.0 / messages,
    }
}

/// CPU time so far, once it stands still.
fn quiet_cpu(pid: u32) -> Duration {
    let mut last = cpu_of_tree(pid);
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        std::thread::sleep(QUIET);
        let now = cpu_of_tree(pid);
        if now == last {
            break;
        }
        last = now;
    }
    last
}

/// An organisation that takes mail for a next hop.
fn passing_on(next_hop: SocketAddr) -> Organization {
    Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .inbound("max-sessions-per-client = 1000")
        .smart_host("out", "*", next_hop)
}

/// Bridgehead for a scenario.
pub fn bridgehead(binary: &Path, scenario: Scenario, sink: &SmtpSink) -> Server {
    let next_hop = match scenario {
        Scenario::Accept => tools::nobody(),
        Scenario::Relay => sink.address(),
    };
    Server::start_binary(binary, &passing_on(next_hop))
}

/// Postfix for a scenario, set up to be fast.
pub fn postfix(scenario: Scenario, sink: &SmtpSink) -> Postfix {
    let hold = match scenario {
        Scenario::Accept => "smtpd_client_restrictions = check_client_access static:HOLD\n",
        Scenario::Relay => "",
    };
    Postfix::start(
        Job::PassOn { to: sink.address() },
        &format!(
            "{hold}default_process_limit = 100\nin_flow_delay = 0\n\
             default_destination_concurrency_limit = 50\ninitial_destination_concurrency = 20\n\
             smtpd_client_connection_count_limit = 0"
        ),
    )
}

/// Syncs of the queue's log for each accepted message of 1 KiB from 50 sessions.
pub fn syncs_per_message(binary: &Path, sink: &SmtpSink, messages: u64) -> f64 {
    let server = bridgehead(binary, Scenario::Accept, sink);
    let cell = Cell::new(Scenario::Accept, 50, 1024, messages);
    let syncs = || server.ask(&["queue", "list"])["syncs"].as_u64().unwrap();
    let before = syncs();
    measure(&server, sink, &cell);
    (syncs() - before) as f64 / messages as f64
}

/// Messages per second into one virtual server and into four of the same process, with as many sessions in all: rounds that
/// take turns.
pub fn one_and_four(binary: &Path, messages: u64, rounds: usize) -> (f64, f64) {
    let mut four = String::new();
    for number in 1..=4 {
        write!(
            four,
            "[[virtual-server]]\nname = \"in{number}\"\nserver = \"mail1\"\nrole = \"mx\"\n\
             listen = [\"127.0.0.1:0\"]\nrelay-from = [\"127.0.0.0/8\"]\nmax-sessions-per-client = 1000\n"
        )
        .unwrap();
    }
    let organization = passing_on(tools::nobody()).with(&four);
    let server = Server::start_binary(binary, &organization);
    let cell = Cell::new(Scenario::Accept, 48, 1024, messages);
    let one = [server.inbound()];
    let four = ["in1", "in2", "in3", "in4"].map(|name| server.address(name));
    let rate = |targets: &[SocketAddr]| {
        quiet_cpu(server.process_id());
        load(targets, &cell).messages_per_second
    };
    // The first round warms up.
    rate(&one);
    let mut of_one = Vec::new();
    let mut of_four = Vec::new();
    for round in 0..rounds {
        // Who comes first changes.
        if round % 2 == 0 {
            of_one.push(rate(&one));
            of_four.push(rate(&four));
        } else {
            of_four.push(rate(&four));
            of_one.push(rate(&one));
        }
    }
    (median(of_one), median(of_four))
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Resident memory of a server in octets.
pub fn memory(subject: &dyn Subject) -> u64 {
    resident(subject.process_id())
}

/// The load of the machine over the last minute.
pub fn load_of_machine() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
