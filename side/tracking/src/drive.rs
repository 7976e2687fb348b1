//! The only file of this room with a thread in it: the writer takes events from a bounded channel, many at a time.

use crate::files::{Files, search};
use crate::line::{TraceLine, Writer};
use crate::settings::Settings;
use bridgehead_mail::{Event, MessageId, Timestamp, Track};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Events that may wait for the writer; then they are dropped and counted, because tracking never holds mail up.
const WAITING_MAX: usize = 100_000;
/// Events written at once at the most.
const BATCH_MAX: usize = 1_000;
/// How long the writer lets events gather while there are any. To wake a thread for each of them costs more than to
/// write them.
const GATHER: Duration = Duration::from_millis(10);

enum Order {
    Write(Box<Event>),
    /// Everything before it is in the files when it is answered.
    Flush(SyncSender<()>),
}

/// The message-tracking log. Cheap to copy.
#[derive(Clone)]
pub struct Tracker {
    directory: Arc<PathBuf>,
    orders: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

impl Tracker {
    /// Opens the log in a folder and starts its writer.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub fn open(directory: &Path, settings: Settings) -> io::Result<Self> {
        let files = Files::open(directory, settings)?;
        let (orders, taken) = sync_channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("tracking".to_owned())
            .spawn(move || run(files, &taken))?;
        Ok(Self {
            directory: Arc::new(directory.to_owned()),
            orders,
            dropped: Arc::default(),
        })
    }

    /// The steps of one message, in order of time. Blocks while files are read.
    ///
    /// # Errors
    /// If the files can't be read.
    pub fn trace(&self, id: MessageId) -> io::Result<Vec<TraceLine>> {
        self.flush();
        search(&self.directory, id)
    }

    /// Waits until everything tracked so far is in the files.
    pub fn flush(&self) {
        let (answer, answered) = sync_channel(1);
        if self.orders.send(Order::Flush(answer)).is_ok() {
            // If the writer has ended, there is nothing to wait for.
            let _ = answered.recv();
        }
    }

    /// Events that were dropped because the writer couldn't follow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Track for Tracker {
    fn track(&self, event: Event) {
        if self.orders.try_send(Order::Write(Box::new(event))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn run(mut files: Files, orders: &Receiver<Order>) {
    let mut lines = Vec::new();
    let mut writer = Writer::default();
    let mut waiting = None;
    while let Some(first) = waiting.take().or_else(|| orders.recv().ok()) {
        lines.clear();
        let mut at = Timestamp::EPOCH;
        let mut answers = Vec::new();
        for order in std::iter::once(first).chain(orders.try_iter().take(BATCH_MAX)) {
            match order {
                Order::Write(event) => {
                    at = at.max(event.at);
                    writer.append(&event, &mut lines);
                }
                Order::Flush(answer) => answers.push(answer),
            }
        }
        if !lines.is_empty()
            && let Err(error) = files.append(&lines, at)
        {
            tracing::warn!(%error, "tracking events can't be written");
        }
        if answers.is_empty() {
            // Asleep, not waiting at the channel: nobody has to wake this thread.
            std::thread::sleep(GATHER);
        }
        for answer in answers {
            let _ = answer.send(());
        }
        waiting = orders.try_recv().ok();
    }
}
