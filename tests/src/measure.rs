//! Measures whole processes under Postfix's generator: messages a second, and CPU seconds for 1000 messages.
//!
//! Bridgehead and Postfix take turns cell by cell, so that both see the same minute of a machine that others use too.

use crate::organization::Organization;
use crate::postfix::{Job, Postfix};
use crate::process::{Guarded, cpu_of_tree, resident};
use crate::server::Server;
use crate::{tools, wait};
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    pub size: u32,
    pub messages: u32,
}

/// Its result.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub messages_per_second: f64,
    /// CPU seconds of the server and all its processes for 1000 messages.
    pub cpu_per_thousand: f64,
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

/// Postfix's sink, counting.
pub struct SmtpSink {
    address: SocketAddr,
    messages: Arc<AtomicU64>,
    _process: Guarded,
}

impl SmtpSink {
    pub fn start() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, tools::free_port()));
        let mut command = Command::new(tools::sbin("smtp-sink"));
        if crate::skip::is_root() {
            // It refuses to stay root.
            command.args(["-u", "nobody"]);
        }
        let mut child = command
            .args(["-c", &address.to_string(), "1000"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("smtp-sink starts");
        let messages = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&messages);
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || count(output, &counter));
        wait::until("smtp-sink listens", || TcpStream::connect(address).ok());
        Self {
            address,
            messages,
            _process: Guarded::new(child),
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn count(&self) -> u64 {
        self.messages.load(Ordering::SeqCst)
    }
}

/// Reads `sess=1 quit=1 mesg=1`, again and again over the same line.
fn count(mut output: impl Read, counter: &AtomicU64) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(octets @ 1..) = output.read(&mut buffer) {
        text.push_str(&String::from_utf8_lossy(&buffer[..octets]));
        let Some(end) = text.rfind(['\r', '\n']) else {
            continue;
        };
        let last = text[..end].rsplit_once("mesg=").map(|(_, rest)| rest);
        let number = last.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        if let Some(number) = number {
            counter.store(number, Ordering::SeqCst);
        }
        text.drain(..=end);
    }
}

/// Measures one cell.
pub fn measure(subject: &dyn Subject, sink: &SmtpSink, cell: &Cell) -> Figure {
    let pid = subject.process_id();
    let cpu_before = quiet_cpu(pid);
    let sunk_before = sink.count();
    let start = Instant::now();
    tools::smtp_source(
        subject.address(),
        &[
            "-d",
            "-s",
            &cell.sessions.to_string(),
            "-m",
            &cell.messages.to_string(),
            "-l",
            &cell.size.to_string(),
            "-f",
            "a@example.org",
            "-t",
            "b@example.net",
        ],
    )
    .good();
    if cell.scenario == Scenario::Relay {
        let wanted = sunk_before + u64::from(cell.messages);
        wait::try_until(CELL, || (sink.count() >= wanted).then_some(()))
            .unwrap_or_else(|| panic!("the sink has {} of {wanted}", sink.count()));
    }
    let elapsed = start.elapsed();
    let cpu = quiet_cpu(pid).saturating_sub(cpu_before);
    let messages = f64::from(cell.messages);
    Figure {
        messages_per_second: messages / elapsed.as_secs_f64(),
        cpu_per_thousand: cpu.as_secs_f64() * 1000.0 / messages,
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

/// Bridgehead for a scenario.
pub fn bridgehead(binary: &Path, scenario: Scenario, sink: &SmtpSink, wrapper: &[&str]) -> Server {
    let next_hop = match scenario {
        Scenario::Accept => tools::nobody(),
        Scenario::Relay => sink.address(),
    };
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .inbound("max-sessions-per-client = 1000")
        .smart_host("out", "*", next_hop);
    let mut server = Server::prepare(binary, "");
    server.run(wrapper);
    server.apply(&organization);
    server
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
pub fn syncs_per_message(binary: &Path, sink: &SmtpSink, messages: u32) -> f64 {
    let server = bridgehead(binary, Scenario::Accept, sink, &[]);
    let cell = Cell {
        scenario: Scenario::Accept,
        sessions: 50,
        size: 1024,
        messages,
    };
    let syncs = || server.ask(&["queue", "list"])["syncs"].as_u64().unwrap();
    let before = syncs();
    measure(&server, sink, &cell);
    (syncs() - before) as f64 / f64::from(messages)
}

/// Resident memory of a server in octets.
pub fn memory(subject: &dyn Subject) -> u64 {
    resident(subject.process_id())
}

/// The load of the machine over the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_on_the_line_is_taken() {
        let counter = AtomicU64::new(0);
        count(
            &b"sess=1 quit=0 mesg=1 \rsess=2 quit=1 mesg=17 \rsess=3"[..],
            &counter,
        );
        assert_eq!(counter.load(Ordering::SeqCst), 17);
    }
}
