//! `cargo xtask bench`: the whole process under load, printed next to Postfix if it is installed.

use bridgehead_tests::measure::{self, Cell, Figure, Scenario, SmtpSink};
use bridgehead_tests::postfix::Postfix;
use bridgehead_tests::{Server, tools};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Messages per second and CPU seconds per 1000 messages, for accept and relay.
#[derive(Debug, Parser)]
struct Options {
    /// The binary under test
    #[arg(long)]
    binary: PathBuf,
    /// Messages in a cell of 1 KiB; a tenth of it at 100 KiB
    #[arg(long, default_value_t = 5000)]
    messages: u32,
    /// Measure Bridgehead only
    #[arg(long)]
    alone: bool,
    /// Leave out 10 sessions, and 100 KiB
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !tools::is_there(&tools::sbin("smtp-source")) {
        eprintln!("smtp-source is missing: install postfix");
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
    for scenario in [Scenario::Accept, Scenario::Relay] {
        table(&options, scenario, peer);
    }
    syncs(&options);
    ExitCode::SUCCESS
}

fn table(options: &Options, scenario: Scenario, peer: bool) {
    let sink = SmtpSink::start();
    let ours = measure::bridgehead(&options.binary, scenario, &sink, &[]);
    let theirs = peer.then(|| measure::postfix(scenario, &sink));
    let what = match scenario {
        Scenario::Accept => "accept: into the queue, the next hop is away (Postfix: on hold)",
        Scenario::Relay => "relay: until smtp-sink has all",
    };
    println!("\n{what}\n");
    println!(
        "| size | sessions | msgs/s | CPU s/1000 | Postfix msgs/s | Postfix CPU s/1000 | CPU ratio | load |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for cell in cells(options, scenario) {
        let mine = measure::measure(&ours, &sink, &cell);
        let other = theirs
            .as_ref()
            .map(|postfix| measure::measure(postfix, &sink, &cell));
        row(&cell, mine, other);
    }
    memory(&ours);
}

fn cells(options: &Options, scenario: Scenario) -> Vec<Cell> {
    let sessions: &[u32] = if options.quick {
        &[1, 50]
    } else {
        &[1, 10, 50]
    };
    let sizes: &[u32] = if options.quick {
        &[1024]
    } else {
        &[1024, 102_400]
    };
    let mut cells = Vec::new();
    for &size in sizes {
        for &sessions in sessions {
            let messages = if size > 1024 {
                options.messages / 10
            } else {
                options.messages
            };
            cells.push(Cell {
                scenario,
                sessions,
                size,
                messages: messages.max(sessions),
            });
        }
    }
    cells
}

fn row(cell: &Cell, mine: Figure, other: Option<Figure>) {
    let other = other.map_or_else(
        || "- | - | -".to_owned(),
        |other| {
            format!(
                "{:.0} | {:.3} | {:.1}",
                other.messages_per_second,
                other.cpu_per_thousand,
                other.cpu_per_thousand / mine.cpu_per_thousand.max(0.001)
            )
        },
    );
    println!(
        "| {} KiB | {} | {:.0} | {:.3} | {other} | {} |",
        cell.size / 1024,
        cell.sessions,
        mine.messages_per_second,
        mine.cpu_per_thousand,
        measure::load()
    );
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
