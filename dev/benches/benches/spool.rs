//! The spool: how many messages become durable, from one writer and from many that share a sync; and how fast a restart
//! reads what waits.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that can't run says so by failing"
)]

use bridgehead_disk::RealDisk;
use bridgehead_mail::{
    Address, BodyKind, Envelope, Notify, Origin, Protocol, Recipient, ReversePath, Timestamp,
};
use bridgehead_queue::{Queue, Settings};
use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn main() {
    divan::main();
}

fn envelope() -> Envelope {
    let address = |text: &str| Address::parse(text).unwrap();
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: ReversePath::Address(address("a@example.org")),
        recipients: vec![Recipient {
            address: address("b@example.net"),
            notify: Notify::Unsaid,
            orcpt: None,
        }],
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        origin: Origin {
            virtual_server: "inbound".into(),
            client: None,
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
        accepted: NOW,
        journey: None,
    }
}

fn open(folder: &TempDir) -> Queue {
    let mut settings = Settings::for_directory(folder.path().join("spool"));
    settings.limits.free_space_floor = 0;
    let (queue, _) = Queue::open(settings, Arc::new(RealDisk), NOW).unwrap();
    queue
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

/// Each of the writers commits one message; all of them together.
fn accept(queue: &Queue, runtime: &Runtime, writers: usize, content: &Arc<[u8]>) {
    let running: Vec<_> = (0..writers)
        .map(|_| {
            let inlet = queue.inlet();
            let content = Arc::clone(content);
            runtime.spawn(async move {
                let mut draft = inlet.begin(NOW, None).unwrap();
                draft.write(&content).unwrap();
                draft.commit(envelope()).await.unwrap();
            })
        })
        .collect();
    runtime.block_on(async {
        for one in running {
            one.await.unwrap();
        }
    });
}

#[divan::bench(args = [1, 10, 50, 500], sample_count = 50)]
fn durable_1_kib(bencher: Bencher<'_, '_>, writers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (queue, runtime) = (open(&folder), runtime());
    let content: Arc<[u8]> = vec![b'x'; 1024].into();
    bencher
        .counter(ItemsCount::new(writers))
        .bench_local(|| accept(&queue, &runtime, writers, &content));
    queue.close();
}

#[divan::bench(args = [1, 10], sample_count = 30)]
fn durable_100_kib(bencher: Bencher<'_, '_>, writers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (queue, runtime) = (open(&folder), runtime());
    let content: Arc<[u8]> = vec![b'x'; 100 * 1024].into();
    bencher
        .counter(ItemsCount::new(writers))
        .bench_local(|| accept(&queue, &runtime, writers, &content));
    queue.close();
}

#[divan::bench(args = [1_000, 20_000], sample_count = 10)]
fn restart(bencher: Bencher<'_, '_>, messages: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (queue, runtime) = (open(&folder), runtime());
    let content: Arc<[u8]> = vec![b'x'; 1024].into();
    for _ in 0..messages / 500 {
        accept(&queue, &runtime, 500, &content);
    }
    queue.close();
    drop(queue);
    bencher
        .counter(ItemsCount::new(messages))
        .bench_local(|| open(&folder).close());
}
