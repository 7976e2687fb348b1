//! `cargo xtask simulate-routing`: random scenarios, then a large organisation, its figures beside those of the original's way.

use bridgehead_sim::original;
use bridgehead_sim::plans::Size;
use bridgehead_sim::scale::{self, Outcome, Scale};
use bridgehead_sim::scenario::{self, Tally};
use clap::Parser;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Simulates link state and routing.
#[derive(Debug, Parser)]
struct Options {
    /// The seed of the large organisation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The seed of the first random scenario
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many random scenarios
    #[arg(long, default_value_t = 10_000)]
    scenarios: u64,
    /// Servers of the large organisation; 0: only the random scenarios
    #[arg(long, default_value_t = 10_000)]
    servers: u64,
    /// Routing groups of the large organisation
    #[arg(long, default_value_t = 2000)]
    groups: u64,
    /// Connectors of the large organisation, each direction counted
    #[arg(long, default_value_t = 10_000)]
    connectors: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = scenarios(&options).and_then(|()| {
        if options.servers == 0 {
            Ok(())
        } else {
            large(&options)
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn scenarios(options: &Options) -> Result<(), String> {
    let begin = Instant::now();
    let mut sum = Tally::default();
    for seed in options.from..options.from.saturating_add(options.scenarios) {
        let tally = scenario::run(seed).map_err(|breach| {
            format!(
                "seed {seed}: {breach}\nreplay with: cargo xtask simulate-routing --scenarios 1 --from {seed} --servers 0"
            )
        })?;
        sum.mail += tally.mail;
        sum.delayed += tally.delayed;
        sum.messages += tally.messages;
        sum.received_most = sum.received_most.max(tally.received_most);
    }
    println!(
        "{} random scenarios in {:.1} s: no loop, no lost or doubled message, no record beyond its age.",
        options.scenarios,
        begin.elapsed().as_secs_f64()
    );
    println!(
        "  {} messages, {} of them had to wait; at most {} servers took one message.\n",
        sum.mail, sum.delayed, sum.received_most
    );
    Ok(())
}

fn large(options: &Options) -> Result<(), String> {
    let size = Size {
        servers: options.servers,
        groups: options.groups,
        connectors: options.connectors,
    };
    let begin = Instant::now();
    let mut scale = Scale::build(size, options.seed)?;
    let topology = scale.topology();
    let adjacencies: usize = topology
        .server_ids()
        .map(|server| topology.neighbours(server).len())
        .sum::<usize>()
        / 2;
    println!(
        "{} servers, {} groups, {} connectors, {adjacencies} adjacencies; built and at rest after {:.1} s of computing.",
        topology.servers().len(),
        topology.groups().len(),
        topology.connectors().len(),
        begin.elapsed().as_secs_f64()
    );
    let (messages, octets) = scale.calm();
    println!(
        "Calm, a minute costs {:.2} messages and {:.0} octets on each adjacency; one table of the original is {} KiB.",
        ratio(messages, adjacencies),
        ratio(octets, adjacencies),
        original::table_octets(topology) / 1024
    );
    let speeds = scale::speeds(topology, 200, options.seed);
    println!(
        "Tables of one group: computed anew in {} (worst {}), after one connector changed in {} (worst {}).\n",
        micros(speeds.full[0]),
        micros(speeds.full[1]),
        micros(speeds.incremental[0]),
        micros(speeds.incremental[1])
    );
    events(&mut scale)
}

/// What happens to the large organisation, one line each.
fn events(scale: &mut Scale) -> Result<(), String> {
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>8} {:>8} {:>10} {:>5} {:>7} {:>6} {:>12}",
        "event",
        "detected",
        "known by",
        "allowed",
        "records",
        "updates",
        "octets",
        "most",
        "others",
        "differ",
        "mail waited"
    );
    for outcome in scale.lose_a_line(0)? {
        show(&outcome);
    }
    for outcome in scale.lose_a_line(50)? {
        show(&Outcome {
            what: match outcome.what {
                "it heals" => "it heals (5 % lost)",
                _ => "a line is cut (5 % lost)",
            },
            ..outcome
        });
    }
    for outcome in scale.lose_a_server()? {
        show(&outcome);
    }
    show(&Outcome {
        what: "a line flaps for an hour",
        ..scale.flap(3600)?
    });
    println!(
        "\nmost: updates over the busiest adjacency, both directions together. others: digests, listings, acknowledgements, beyond those of a calm time.\n\
         known by: from an announcement until the last server had it, of the slowest. differ: servers whose picture is\n\
         another at the end: those that the failure has cut off, and in the original's way all that nobody tells.\n\
         mail waited: of 100 messages a second for 20 s, half of them from the groups where it happens.\n\
         A record is told at most twice on each adjacency, once in each direction; records: what servers had to say, one for each connector that\n\
         they found down or up."
    );
    Ok(())
}

fn show(outcome: &Outcome) {
    println!(
        "{:<28} {:>6} ms {:>6} ms {:>6} ms {:>8} {:>8} {:>10} {:>5} {:>7} {:>6} {:>5} of {:>4}",
        outcome.what,
        outcome.detected,
        outcome.converged,
        outcome.allowed,
        outcome.records,
        outcome.updates,
        outcome.octets,
        outcome.adjacency_most,
        outcome.others,
        outcome.disagreeing,
        outcome.mail.1,
        outcome.mail.0
    );
    let ways = [
        ("  the original's way", outcome.original),
        ("  the same, a master dead", outcome.masterless),
    ];
    for (name, original) in ways {
        let Some(original) = original else {
            continue;
        };
        println!(
            "{:<28} {:>9} {:>6} ms {:>9} {:>8} {:>8} {:>10} {:>5} {:>7} {:>6}",
            name,
            "",
            original.converged,
            "",
            "",
            original.messages,
            human(original.octets),
            original.adjacency_most,
            "",
            original.never
        );
    }
}

#[allow(clippy::cast_precision_loss)]
fn ratio(sum: u64, count: usize) -> f64 {
    sum as f64 / count.max(1) as f64
}

fn human(octets: u64) -> String {
    format!("{} MiB", octets >> 20)
}

fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}
