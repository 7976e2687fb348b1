//! The generator as it runs: one epoll over all its sessions.
//!
//! Guards: it ends in the time of its plan, and when nobody answers any longer.

use crate::client::Client;
use crate::plan::{LoadError, Plan};
use crate::report::{Report, Tally};
use crate::script::Script;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Room for what is read at once.
const READ_OCTETS: usize = 64 * 1024;
/// Sessions that are looked at after one wait.
const EVENTS: usize = 1024;
/// How long the goodbyes are waited for when all messages have their answers.
const GOODBYE: Duration = Duration::from_secs(2);
/// Connections that break without an answer in between before there is no more hope, beyond one for each session.
const FAILURES_MAX: u64 = 100;

/// One session and its connection.
struct Line {
    target: SocketAddr,
    stream: Option<TcpStream>,
    client: Client,
}

struct Source<'a> {
    plan: &'a Plan,
    script: Script,
    tally: Tally,
    lines: Vec<Line>,
    poll: Poll,
    buffer: Vec<u8>,
    open: usize,
    /// Connections that broke since the last answer to a message.
    failures: u64,
}

/// Runs a plan to its end.
///
/// # Errors
/// If the plan may not be run, or the operating system gives no epoll.
pub fn run(plan: &Plan) -> Result<Report, LoadError> {
    plan.check()?;
    let poll = Poll::new().map_err(|source| LoadError::System {
        doing: "make an epoll",
        source,
    })?;
    let cpu_before = cpu_of_thread();
    let begun = Instant::now();
    let mut source = Source {
        plan,
        script: Script::of(plan),
        tally: Tally::new(plan.messages),
        lines: Vec::new(),
        poll,
        buffer: vec![0; READ_OCTETS],
        open: 0,
        failures: 0,
    };
    source.open_all();
    let ended = source.go_on(begun)?;
    source.give_up();
    let cpu = cpu_of_thread().saturating_sub(cpu_before);
    let pipelined = plan.pipelining != crate::plan::Pipelining::Off;
    let took = ended.saturating_duration_since(begun);
    Ok(source.tally.report(pipelined, took, cpu))
}

impl Source<'_> {
    fn open_all(&mut self) {
        let targets = self.plan.targets.iter().cycle();
        for target in targets.take(usize::try_from(self.plan.sessions).unwrap_or(0)) {
            if !self.tally.take() {
                return;
            }
            self.lines.push(Line {
                target: *target,
                stream: None,
                client: Client::new(self.plan),
            });
            self.connect(self.lines.len() - 1);
        }
    }

    /// Opens the connection of a session. One that fails at once is tried again until there is no more hope.
    fn connect(&mut self, number: usize) {
        let most = FAILURES_MAX + u64::from(self.plan.sessions);
        while let Some(line) = self.lines.get_mut(number) {
            line.client = Client::new(self.plan);
            match open(line.target, &self.poll, number) {
                Ok(stream) => {
                    line.stream = Some(stream);
                    self.open += 1;
                    return;
                }
                Err(_) => line.client.broken(&mut self.tally),
            }
            self.failures += 1;
            if self.failures > most || !self.tally.take() {
                return;
            }
        }
    }

    /// Returns when the last message got its answer.
    fn go_on(&mut self, begun: Instant) -> Result<Instant, LoadError> {
        let mut events = Events::with_capacity(EVENTS);
        let mut end = begun + self.plan.time;
        let mut last_answer = None;
        while self.open > 0 {
            let now = Instant::now();
            let Some(wait) = end
                .checked_duration_since(now)
                .filter(|wait| !wait.is_zero())
            else {
                break;
            };
            if let Err(source) = self.poll.poll(&mut events, Some(wait))
                && source.kind() != ErrorKind::Interrupted
            {
                let doing = "wait for the servers";
                return Err(LoadError::System { doing, source });
            }
            for event in &events {
                self.happened(event);
            }
            if last_answer.is_none() && self.tally.ended() >= self.plan.messages {
                let now = Instant::now();
                last_answer = Some(now);
                end = end.min(now + GOODBYE);
            }
        }
        Ok(last_answer.unwrap_or_else(Instant::now))
    }

    fn happened(&mut self, event: &Event) {
        let number = event.token().0;
        let Some(line) = self.lines.get_mut(number) else {
            return;
        };
        let Some(stream) = &mut line.stream else {
            return;
        };
        let client = &mut line.client;
        let (ended, lost) = (self.tally.ended(), self.tally.connections_lost);
        let went = converse(
            stream,
            client,
            event,
            &mut self.buffer,
            &self.script,
            &mut self.tally,
        );
        if went.is_err() {
            client.broken(&mut self.tally);
        }
        if self.tally.ended() > ended {
            self.failures = 0;
        }
        if client.is_over() {
            line.stream = None;
            self.open -= 1;
            self.failures += self.tally.connections_lost - lost;
            let hope = self.failures <= FAILURES_MAX + u64::from(self.plan.sessions);
            if hope && self.tally.take() {
                self.connect(number);
            }
        }
    }

    /// What is still under way at the end is lost.
    fn give_up(&mut self) {
        for line in &mut self.lines {
            if line.stream.take().is_some() {
                line.client.broken(&mut self.tally);
            }
        }
    }
}

fn open(target: SocketAddr, poll: &Poll, number: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(target)?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut stream, Token(number), interest)?;
    Ok(stream)
}

/// Reads what there is, and writes what the session says to it.
fn converse(
    stream: &mut TcpStream,
    client: &mut Client,
    event: &Event,
    buffer: &mut [u8],
    script: &Script,
    tally: &mut Tally,
) -> io::Result<()> {
    if event.is_error() {
        return Err(stream
            .take_error()?
            .unwrap_or_else(|| ErrorKind::Other.into()));
    }
    if !client.is_greeted() && event.is_writable() {
        // Small commands mustn't wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
    }
    write(stream, client, script)?;
    while event.is_readable() && !client.is_over() {
        let count = match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        client.receive(
            buffer.get(..count).unwrap_or_default(),
            Instant::now(),
            tally,
        );
        write(stream, client, script)?;
        // epoll(7): a read that didn't fill the buffer has read everything; more makes a new event.
        if count < buffer.len() && !event.is_read_closed() {
            break;
        }
    }
    Ok(())
}

fn write(stream: &mut TcpStream, client: &mut Client, script: &Script) -> io::Result<()> {
    loop {
        let pending = client.pending(script);
        if pending.is_empty() {
            return Ok(());
        }
        match stream.write(pending) {
            Ok(count) => client.wrote(count, script),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn cpu_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
