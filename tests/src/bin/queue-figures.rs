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
use bridgehead_tests::process::resident;
use clap::Parser;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
}

/// Sessions that send at once.
const SESSIONS: u64 = 50;

fn main() {
    let options = Options::parse();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("load at the start: {}", load.trim());
    let folder = tempfile::tempdir_in(&options.folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let queue = open(folder.path());
    let empty = accept(&runtime, &queue, &options, options.timed);
    println!("accepted while empty: {empty:.0} messages a second");
    let begun = Instant::now();
    let mut waiting = options.timed;
    settle_all(&queue);
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
    for _ in 0..3 {
        let begun = Instant::now();
        let picture = queue.picture();
        let took = begun.elapsed().as_millis();
        let groups = picture.groups.len();
        println!(
            "the picture: {} messages in {groups} groups within {took} ms",
            picture.messages
        );
    }
    let full = accept(&runtime, &queue, &options, options.timed);
    println!(
        "accepted with them: {full:.0} messages a second, {:.0} % of the empty queue's",
        full / empty * 100.0
    );
    settle_all(&queue);
    orders(&queue);
    space(folder.path());
    restart(queue, folder.path());
}

fn restart(queue: Queue, folder: &Path) {
    let waiting = queue.len();
    queue.close();
    drop(queue);
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
