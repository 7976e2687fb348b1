//! What the queue costs with a million messages in it: memory, the picture, acceptance beside that of an empty queue, a restart,
//! orders for a great many, and the space that delivered mail gives back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measurement that can't go on says why and stops"
)]

use bridgehead_disk::RealDisk;
use bridgehead_mail::{
    Address, Addressee, BodyKind, Destination, Envelope, Failure, Handling, NextHop, Notify,
    Origin, Protocol, Recipient, ReversePath, StatusCode, Timestamp,
};
use bridgehead_queue::{Assignment, Decision, Order, Part, Queue, Settings, Settlement};
use bridgehead_tests::process::{cpu_of_tree, resident};
use clap::Parser;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Options {
    /// Messages that wait
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Final domains
    #[arg(long, default_value_t = 50_000)]
    destinations: u64,
    /// The smallest content, in octets
    #[arg(long, default_value_t = 1 << 10)]
    least: usize,
    /// The largest content, in octets; sizes are spread evenly over their logarithms
    #[arg(long, default_value_t = 50 << 10)]
    most: usize,
    /// Messages whose acceptance is timed
    #[arg(long, default_value_t = 20_000)]
    timed: u64,
    /// Where the spool is made; it needs room for all of it
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Rounds in which acceptance is timed, by turns with and without messages that wait
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Only this: opens the spool in the folder, in which so many messages wait
    #[arg(long, hide = true)]
    reopen: Option<usize>,
}

/// Sessions that send at once.
const SESSIONS: u64 = 50;

fn main() {
    let options = Options::parse();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("load at the start: {}", load.trim());
    if let Some(waiting) = options.reopen {
        reopen(&options.folder, waiting);
        return;
    }
    let folder = tempfile::tempdir_in(&options.folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let queue = open(folder.path());
    let begun = Instant::now();
    let mut waiting = 0;
    while waiting < options.messages {
        let some = (options.messages - waiting).min(20_000);
        accept(&runtime, &queue, &options, some);
        settle_all(&queue);
        waiting += some;
    }
    println!(
        "{waiting} messages wait, after {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    memory("with them");
    pictures(&queue);
    beside(&runtime, &queue, &options);
    settle_all(&queue);
    orders(&queue);
    space(folder.path());
    let waiting = queue.len();
    queue.close();
    drop(queue);
    // In a process of its own, as a restart is.
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("--folder")
        .arg(folder.path())
        .args(["--reopen", &waiting.to_string()])
        .status();
    assert!(status.unwrap().success(), "the restart failed");
}

/// The picture some times, while somebody else wants the queue all the time.
fn pictures(queue: &Queue) {
    let over = Arc::new(AtomicBool::new(false));
    let other = std::thread::spawn({
        let (queue, over) = (queue.clone(), Arc::clone(&over));
        move || {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let _ = queue.len();
                longest = longest.max(begun.elapsed());
                std::thread::sleep(Duration::from_micros(100));
            }
            longest
        }
    });
    let mut groups = 0;
    let mut took: Vec<f64> = (0..11)
        .map(|_| {
            let begun = Instant::now();
            groups = queue.picture().groups.len();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    over.store(true, Ordering::Relaxed);
    let held_up = other.join().unwrap().as_secs_f64() * 1000.0;
    let (least, median) = least_and_median(&mut took);
    println!(
        "the picture: {groups} groups within {least:.0} ms at the least, {median:.0} ms in the middle; mail held up for {held_up:.1} ms at the most"
    );
    let begun = Instant::now();
    let counted = queue.picture_counted_anew();
    println!(
        "the same by a look at each of {} messages: {} ms",
        counted.messages,
        begun.elapsed().as_millis()
    );
}

fn least_and_median(figures: &mut [f64]) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    let median = figures.get(figures.len() / 2).copied().unwrap();
    (figures.first().copied().unwrap(), median)
}

/// Accepts by turns into a new queue and into one in which a great many wait: what else the machine does concerns both. The processors'
/// time says more where there is much of that.
fn beside(runtime: &tokio::runtime::Runtime, full: &Queue, options: &Options) {
    let into_full = || {
        let figures = accept_measured(runtime, full, options);
        settle_all(full);
        quiet(runtime, full);
        figures
    };
    let into_empty = || {
        let folder = tempfile::tempdir_in(&options.folder).unwrap();
        let queue = open(folder.path());
        let figures = accept_measured(runtime, &queue, options);
        settle_all(&queue);
        quiet(runtime, &queue);
        queue.close();
        figures
    };
    let (mut empty, mut with) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        if round % 2 == 0 {
            empty.push(into_empty());
            with.push(into_full());
        } else {
            with.push(into_full());
            empty.push(into_empty());
        }
    }
    let shares = |of: fn(&(f64, f64)) -> f64| {
        let pairs = with.iter().zip(&empty);
        let mut shares: Vec<f64> = pairs
            .map(|(with, empty)| of(with) / of(empty) * 100.0)
            .collect();
        let listed: Vec<String> = shares.iter().map(|share| format!("{share:.0}")).collect();
        let (_, median) = least_and_median(&mut shares);
        format!("{median:.0} % ({})", listed.join(" "))
    };
    let median = |of: fn(&(f64, f64)) -> f64, all: &[(f64, f64)]| {
        let mut figures: Vec<f64> = all.iter().map(of).collect();
        least_and_median(&mut figures).1
    };
    let rate = |one: &(f64, f64)| one.0;
    let cpu = |one: &(f64, f64)| one.1;
    println!(
        "accepted with them {:.0} messages a second, with an empty queue {:.0} (medians): {}",
        median(rate, &with),
        median(rate, &empty),
        shares(rate)
    );
    println!(
        "CPU seconds for 1000: {:.4} and {:.4}: {}",
        median(cpu, &with),
        median(cpu, &empty),
        shares(cpu)
    );
}

/// Messages a second, and CPU seconds for 1000.
fn accept_measured(
    runtime: &tokio::runtime::Runtime,
    queue: &Queue,
    options: &Options,
) -> (f64, f64) {
    let before = cpu_of_tree(std::process::id());
    let rate = accept(runtime, queue, options, options.timed);
    let cpu = cpu_of_tree(std::process::id()).saturating_sub(before);
    (rate, cpu.as_secs_f64() * 1000.0 / options.timed as f64)
}

/// Until nothing is left to be written that would be written beside what comes next.
fn quiet(runtime: &tokio::runtime::Runtime, queue: &Queue) {
    runtime.block_on(queue.synced()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
}

fn reopen(folder: &Path, waiting: usize) {
    let cold = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let begun = Instant::now();
    let settings = Settings::for_directory(folder.to_owned());
    let (queue, unread) = Queue::begin(settings, Arc::new(RealDisk), now()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut random = StdRng::seed_from_u64(1);
    runtime.block_on(one(&queue, 1_000, 1, &mut random));
    let accepts = begun.elapsed().as_secs_f64();
    let recovery = unread.read().unwrap();
    assert!(recovery.damage.is_empty(), "{recovery:?}");
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(queue.len(), waiting + 1, "a message is lost");
    let cache = if cold { "dropped" } else { "warm" };
    println!(
        "a restart takes mail after {accepts:.2} s and knows all {waiting} after {took:.1} s (page cache {cache})"
    );
    memory("after the restart");
    memory_peak();
    settle_all(&queue);
    memory("with all of them on their links again");
    memory_peak();
    queue.close();
}

fn orders(queue: &Queue) {
    let decision = Decision {
        by: "figures".into(),
        at: now(),
    };
    let ids = queue.ids();
    for order in [Order::Freeze, Order::Thaw] {
        let begun = Instant::now();
        let mut longest = Duration::ZERO;
        for some in ids.chunks(500) {
            let one = Instant::now();
            queue.control(some, &order, &decision);
            longest = longest.max(one.elapsed());
        }
        println!(
            "{} of {} messages: {:.2} s, mail held up for {:.1} ms at the most",
            order.as_str(),
            ids.len(),
            begun.elapsed().as_secs_f64(),
            longest.as_secs_f64() * 1000.0
        );
    }
}

fn open(folder: &Path) -> Queue {
    let settings = Settings::for_directory(folder.to_owned());
    let opened = Queue::open(settings, Arc::new(RealDisk), now());
    let (queue, recovery) = opened.unwrap();
    assert!(recovery.damage.is_empty(), "{recovery:?}");
    queue
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

fn memory_peak() {
    let octets = bridgehead_tests::process::resident_peak(std::process::id());
    println!("resident memory at its highest: {} MiB", octets >> 20);
}

fn memory(when: &str) {
    let octets = resident(std::process::id());
    println!("resident memory {when}: {} MiB", octets >> 20);
}

fn space(folder: &Path) {
    let files = std::fs::read_dir(folder).unwrap();
    let sizes = files.map(|file| file.unwrap().metadata().unwrap().len());
    println!("on disk: {} MiB", sizes.sum::<u64>() >> 20);
}

/// Accepts messages from some sessions at once; messages per second.
fn accept(runtime: &tokio::runtime::Runtime, queue: &Queue, options: &Options, count: u64) -> f64 {
    let begun = Instant::now();
    runtime.block_on(async {
        let mut sessions = JoinSet::new();
        for session in 0..SESSIONS {
            let queue = queue.clone();
            let (least, most) = ((options.least as f64).ln(), (options.most as f64).ln());
            let destinations = options.destinations;
            let share = count / SESSIONS;
            sessions.spawn(async move {
                // Others each time.
                let mut random = StdRng::seed_from_u64(session + now().as_millis());
                for _ in 0..share {
                    let size = random.random_range(least..=most).exp();
                    let to = random.random_range(0..destinations);
                    one(&queue, size as usize, to, &mut random).await;
                }
            });
        }
        sessions.join_all().await;
    });
    count as f64 / begun.elapsed().as_secs_f64()
}

async fn one(queue: &Queue, size: usize, to: u64, random: &mut StdRng) {
    let mut draft = queue.inlet().begin(now(), Some(size as u64)).unwrap();
    let mut content = vec![b'x'; size];
    random.fill(content.get_mut(..16.min(size)).unwrap());
    draft.write(&content).unwrap();
    draft.commit(envelope(to)).await.unwrap();
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn envelope(to: u64) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Address(address("newsletter@example.org")),
        recipients: vec![Recipient::plain(address(&format!(
            "somebody@d{to}.example"
        )))],
        body: BodyKind::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        handling: Handling::default(),
        origin: Origin {
            virtual_server: "inbound".into(),
            client: Some([127, 0, 0, 1].into()),
            helo: "client.example.org".into(),
            protocol: Protocol {
                extended: true,
                tls: false,
                authenticated: false,
                utf8: false,
            },
            tls: None,
            user: None,
        },
        accepted: now(),
        journey: None,
    }
}

/// Categorizes and routes what came in, and fails each once, as a next hop does that is away.
fn settle_all(queue: &Queue) {
    let at = now();
    while let Some(lease) = queue.take() {
        let recipients = lease.envelope.recipients.iter();
        let addressees: Vec<Addressee> = recipients
            .map(|recipient| Addressee {
                address: recipient.address.clone(),
                destination: Destination::Remote,
                notify: Notify::Unsaid,
                orcpt: None,
            })
            .collect();
        let domain = addressees.first().unwrap().address.domain().clone();
        let assignment = Assignment {
            parts: vec![Part {
                hop: NextHop::Mx {
                    connector: "internet".into(),
                    domain,
                },
                addressees,
            }],
            reports: Vec::new(),
            expires: at.after(Duration::from_secs(172_800)),
            delay_notice: at.after(Duration::from_secs(14_400)),
        };
        queue.assign(lease, assignment, at).unwrap();
    }
    for link in queue.ready_links(at) {
        while let Some(lease) = queue.next(link.number, at) {
            let settlements = vec![Settlement::Deferred {
                until: at.after(Duration::from_secs(3600)),
                failure: Failure::new(
                    StatusCode::transient(4, 1),
                    "No answer from the next server",
                ),
            }];
            queue.settle(lease, settlements, Vec::new(), false).unwrap();
        }
    }
}
