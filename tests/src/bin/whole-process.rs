//! `cargo xtask bench`: the whole process under load, printed next to Postfix if it is installed, and next to the floor.

use bridgehead_load::{Connections, Pipelining};
use bridgehead_tests::measure::{self, Cell, Figure, Floor, Scenario, SmtpSink};
use bridgehead_tests::postfix::Postfix;
use bridgehead_tests::{Server, tools};
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// As in the server: the generator runs in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages per second and CPU seconds per 1000 messages, for accept and relay, and what else has a budget.
#[derive(Debug, Parser)]
struct Options {
    /// The binary under test
    #[arg(long)]
    binary: PathBuf,
    /// Messages in a cell of 1 KiB; a tenth of it at 100 KiB
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// Rounds; the medians are printed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measure Bridgehead only
    #[arg(long)]
    alone: bool,
    /// Leave out 10 sessions, 100 KiB, and idle sessions
    #[arg(long)]
    quick: bool,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Idle sessions of each kind
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
}

/// A part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Accept,
    Relay,
    Syncs,
    VirtualServers,
    SlowDisk,
    Idle,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        match self.only.is_empty() {
            true => !(self.quick && part == Part::Idle),
            false => self.only.contains(&part),
        }
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "floor") {
        let path = words.next().unwrap_or_else(|| "floor.log".into());
        measure::serve_floor(Path::new(&path));
        return ExitCode::SUCCESS;
    }
    let options = Options::parse();
    if !tools::is_there(&tools::sbin("smtp-sink")) {
        eprintln!("smtp-sink is missing: install postfix");
        return ExitCode::FAILURE;
    }
    let peer = match Postfix::is_possible() {
        _ if options.alone => false,
        Ok(()) => true,
        Err(reason) => {
            println!("without Postfix: {reason}");
            false
        }
    };
    let parts: [(Part, &dyn Fn()); 6] = [
        (Part::Accept, &|| table(&options, Scenario::Accept, peer)),
        (Part::Relay, &|| table(&options, Scenario::Relay, peer)),
        (Part::Syncs, &|| syncs(&options)),
        (Part::VirtualServers, &|| virtual_servers(&options)),
        (Part::SlowDisk, &|| slow_disk(&options)),
        (Part::Idle, &|| idle(&options)),
    ];
    for (_, measure) in parts.iter().filter(|(part, _)| options.wants(*part)) {
        measure();
    }
    ExitCode::SUCCESS
}

/// Who is measured, and what came of each round.
struct Row {
    ours: Vec<Figure>,
    theirs: Vec<Figure>,
    floor: Vec<Figure>,
    /// The rate at which the generator fills smtp-sink.
    sink: Vec<f64>,
}

fn table(options: &Options, scenario: Scenario, peer: bool) {
    let sink = SmtpSink::start();
    let ours = measure::bridgehead(&options.binary, scenario, &sink);
    let theirs = peer.then(|| measure::postfix(scenario, &sink));
    let accept = scenario == Scenario::Accept;
    let itself = std::env::current_exe().ok().filter(|_| accept);
    let floor = itself.map(|itself| Floor::start(&itself));
    let what = match scenario {
        Scenario::Accept => "accept: into the queue, the next hop is away (Postfix: on hold)",
        Scenario::Relay => "relay: until smtp-sink has all",
    };
    println!("\n{what}; medians of {} rounds\n", options.rounds);
    println!(
        "| octets | sessions | connections | pipelining | msgs/s | CPU s/1000 | Postfix msgs/s | Postfix CPU s/1000 | CPU ratio | rate ratio | floor CPU s/1000 | of the floor | of smtp-sink's rate | generator CPU s/1000 | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for cell in cells(options, scenario) {
        let mut row = Row {
            ours: Vec::new(),
            theirs: Vec::new(),
            floor: Vec::new(),
            sink: Vec::new(),
        };
        for _ in 0..options.rounds {
            row.ours.push(measure::measure(&ours, &sink, &cell));
            let other = theirs
                .as_ref()
                .map(|postfix| measure::measure(postfix, &sink, &cell));
            row.theirs.extend(other);
            if let Some(floor) = floor.as_ref().filter(|_| measure::floor_can(&cell)) {
                row.floor.push(measure::measure(floor, &sink, &cell));
            }
            if accept {
                let report = measure::load(&[sink.address()], &cell);
                row.sink.push(report.messages_per_second);
            }
        }
        print(&cell, &row);
    }
    memory(&ours);
}

fn cells(options: &Options, scenario: Scenario) -> Vec<Cell> {
    let messages = options.messages;
    let usual = Cell::new(scenario, 50, 1024, messages);
    let alone = Cell {
        sessions: 1,
        messages: messages / 4,
        ..usual
    };
    let mut cells = vec![usual, alone];
    if scenario == Scenario::Accept {
        for pipelining in [Pipelining::Envelope, Pipelining::Through] {
            cells.push(Cell {
                pipelining,
                ..usual
            });
        }
    }
    for pipelining in [Pipelining::Off, Pipelining::Envelope] {
        cells.push(Cell {
            connections: Connections::OneEach,
            pipelining,
            ..usual
        });
    }
    if !options.quick {
        cells.push(Cell {
            sessions: 10,
            ..usual
        });
        for sessions in [1, 10, 50] {
            let messages = (messages / 10).max(u64::from(sessions));
            cells.push(Cell::new(scenario, sessions, 102_400, messages));
        }
    }
    cells
}

fn print(cell: &Cell, row: &Row) {
    let rate = |figures: &[Figure]| {
        let rates = figures.iter().map(|figure| figure.messages_per_second);
        middle(rates.collect())
    };
    let cpu = |figures: &[Figure]| {
        let all = figures.iter().map(|figure| figure.cpu_per_thousand);
        middle(all.collect())
    };
    let generator = row.ours.iter();
    let generator = middle(
        generator
            .map(|figure| figure.generator_cpu_per_thousand)
            .collect(),
    );
    let (my_rate, my_cpu) = (rate(&row.ours), cpu(&row.ours));
    let (their_rate, their_cpu) = (rate(&row.theirs), cpu(&row.theirs));
    let floor = cpu(&row.floor);
    let connections = match cell.connections {
        Connections::Reused => "reused",
        Connections::OneEach => "one each",
    };
    let pipelining = match cell.pipelining {
        Pipelining::Off => "off",
        Pipelining::Envelope => "envelope",
        Pipelining::Through => "through",
    };
    let cells = [
        cell.size.to_string(),
        cell.sessions.to_string(),
        connections.to_owned(),
        pipelining.to_owned(),
        shown(my_rate, 0),
        shown(my_cpu, 4),
        shown(their_rate, 0),
        shown(their_cpu, 3),
        shown(ratio(their_cpu, my_cpu), 1),
        shown(ratio(my_rate, their_rate), 1),
        shown(floor, 4),
        shown(ratio(my_cpu, floor), 2),
        shown(ratio(my_rate, middle(row.sink.clone())), 2),
        shown(generator, 4),
        measure::load_of_machine(),
    ];
    println!("| {} |", cells.join(" | "));
}

fn middle(figures: Vec<f64>) -> Option<f64> {
    (!figures.is_empty()).then(|| measure::median(figures))
}

fn ratio(above: Option<f64>, below: Option<f64>) -> Option<f64> {
    Some(above? / below.filter(|below| *below > 0.0)?)
}

fn shown(figure: Option<f64>, places: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.places$}"))
}

fn memory(server: &Server) {
    let mib = measure::memory(server) / 1024 / 1024;
    println!(
        "\nresident memory afterwards: {mib} MiB, messages queued: {}",
        server.queued()
    );
}

fn syncs(options: &Options) {
    let sink = SmtpSink::start();
    let syncs = measure::syncs_per_message(&options.binary, &sink, options.messages);
    println!("\nsyncs per accepted message of 1 KiB from 50 sessions: {syncs:.3}");
}

fn virtual_servers(options: &Options) {
    let rounds = options.rounds.max(3) | 1;
    let (one, four) = measure::one_and_four(&options.binary, options.messages, rounds);
    println!(
        "\none virtual server: {one:.0} messages a second from 48 sessions; four of the same process: {four:.0} \
         (one has {:.0} % of four; medians of {rounds} rounds)",
        one / four * 100.0
    );
}

fn slow_disk(options: &Options) {
    let longer = Duration::from_millis(10);
    match measure::slow_disk(&options.binary, longer, options.messages) {
        Ok([off, envelope]) => println!(
            "\nwith every sync 10 ms longer (strace delays it): {off:.0} messages a second from 50 sessions, \
             {envelope:.0} where they pipeline the envelope"
        ),
        Err(reason) => println!("\nnothing measured of a slow disk: {reason}"),
    }
}

fn idle(options: &Options) {
    let idle = measure::idle(&options.binary, options.idle);
    println!(
        "\n{} idle sessions: {:.1} KiB each in clear, {:.1} KiB each in TLS",
        options.idle,
        idle.in_clear as f64 / 1024.0,
        idle.in_tls as f64 / 1024.0
    );
}
