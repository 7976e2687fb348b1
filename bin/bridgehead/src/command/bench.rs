//! `bridgehead bench`: load for servers, ours or others, and a sink for what they relay.

use super::{print, print_json, row, table};
use crate::cli::bench::{Bench, Pipelining, Sink, Smtp};
use crate::server::stop;
use bridgehead_load::{Connections, Counts, LoadError, Plan, Report};
use serde_json::json;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a sink says what it has, while that changes.
const SAY_EVERY: Duration = Duration::from_millis(500);

/// Makes load, or takes it.
pub(crate) async fn bench(bench: &Bench) -> Result<(), Box<dyn Error>> {
    match bench {
        Bench::Smtp(smtp) => send(smtp),
        Bench::Sink(options) => sink(options).await,
    }
}

fn send(options: &Smtp) -> Result<(), Box<dyn Error>> {
    let plan = Plan {
        targets: options.targets.clone(),
        sessions: options.sessions,
        messages: options.messages,
        size: options.size,
        recipients: options.recipients,
        from: options.from.clone(),
        to: options.to.clone(),
        connections: match options.one_per_connection {
            true => Connections::OneEach,
            false => Connections::Reused,
        },
        pipelining: match options.pipelining {
            Pipelining::Off => bridgehead_load::Pipelining::Off,
            Pipelining::Envelope => bridgehead_load::Pipelining::Envelope,
            Pipelining::Through => bridgehead_load::Pipelining::Through,
        },
        time: Duration::from_secs(options.seconds),
        beyond_loopback: options.beyond_loopback,
    };
    // It waits in its own epoll: this thread has nothing else to do.
    let report = bridgehead_load::run(&plan)?;
    match options.json {
        true => print_json(&report)?,
        false => print(&in_words(&report))?,
    }
    if report.accepted < options.messages {
        let missing = options.messages - report.accepted;
        return Err(format!(
            "{missing} of {} messages weren't accepted",
            options.messages
        )
        .into());
    }
    Ok(())
}

fn in_words(report: &Report) -> String {
    let latency = &report.latency_ms;
    let pipelined = if report.pipelined { "yes" } else { "no" };
    let rows = [
        ("accepted", report.accepted.to_string()),
        ("deferred (4xx)", report.deferred.to_string()),
        ("refused (5xx)", report.refused.to_string()),
        ("lost", report.lost.to_string()),
        ("never sent", report.unsent.to_string()),
        ("recipients refused", report.recipients_refused.to_string()),
        ("connections", report.connections.to_string()),
        ("connections lost", report.connections_lost.to_string()),
        ("pipelined", pipelined.to_owned()),
        ("seconds", format!("{:.3}", report.seconds)),
        (
            "messages per second",
            format!("{:.0}", report.messages_per_second),
        ),
        (
            "milliseconds a message",
            format!(
                "median {:.2}, 90 % {:.2}, 99 % {:.2}, 99.9 % {:.2}, longest {:.2}",
                latency.median,
                latency.percent_90,
                latency.percent_99,
                latency.per_mille_999,
                latency.longest
            ),
        ),
        (
            "CPU seconds of the generator",
            format!("{:.3}", report.cpu_seconds),
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(name, value)| row([name, value]))
        .collect();
    table(&rows)
}

async fn sink(options: &Sink) -> Result<(), Box<dyn Error>> {
    if !options.beyond_loopback && !options.listen.ip().to_canonical().is_loopback() {
        return Err(LoadError::BeyondLoopback(options.listen).into());
    }
    let mut sink = bridgehead_load::Sink::bind(options.listen)?;
    let counts = sink.counts();
    match options.json {
        true => print(&json!({ "listening": sink.address() }).to_string())?,
        false => print(&format!("listening {}", sink.address()))?,
    }
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let running = tokio::task::spawn_blocking(move || sink.run(&asked));
    let told = tell_until(stop::asked(), &counts, options.json).await;
    stop.store(true, Ordering::Release);
    running.await??;
    told?;
    say(&counts, options.json)
}

/// Says what the sink has whenever that changed, until the operator stops it.
async fn tell_until(
    stopped: impl Future<Output = std::io::Result<&'static str>>,
    counts: &Counts,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let mut stopped = std::pin::pin!(stopped);
    let mut said = 0;
    loop {
        match tokio::time::timeout(SAY_EVERY, stopped.as_mut()).await {
            Ok(stopped) => return stopped.map(|_| ()).map_err(Into::into),
            Err(_) if counts.messages() == said => {}
            Err(_) => {
                said = counts.messages();
                say(counts, json)?;
            }
        }
    }
}

fn say(counts: &Counts, json: bool) -> Result<(), Box<dyn Error>> {
    let (sessions, messages) = (counts.sessions(), counts.messages());
    let (octets, quits) = (counts.octets(), counts.quits());
    let line = match json {
        true => {
            json!({ "sessions": sessions, "quits": quits, "messages": messages, "octets": octets })
                .to_string()
        }
        false => format!(
            "sessions {sessions}, ended by QUIT {quits}, messages {messages}, octets {octets}"
        ),
    };
    Ok(print(&line)?)
}
