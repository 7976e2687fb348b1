//! Mail from everybody to everybody, and what became of it: each message that a server answered for is looked for where it
//! should be, and counted there.

use bridgehead_testkit::client::Client;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A message that a server answered for.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which server took it.
    pub from: String,
    /// Whose it is.
    pub to: String,
    /// Milliseconds since 1970, before it was handed in.
    pub at: u64,
}

/// A message as it lies in a mailbox.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub number: u64,
    /// The mailbox.
    pub at: String,
    /// Milliseconds since 1970.
    pub received: u64,
}

/// What was sent. Shared by all senders.
#[derive(Default)]
pub struct Ledger {
    next: AtomicU64,
    stop: AtomicBool,
    sent: Mutex<HashMap<u64, Sent>>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Account {
    pub sent: usize,
    /// Sent and nowhere.
    pub missing: Vec<(u64, Sent)>,
    /// There more than once.
    pub doubled: Vec<(u64, Sent)>,
    /// In a mailbox that isn't its recipient's.
    pub astray: Vec<Arrived>,
    /// Milliseconds from handing in to the mailbox, with the message; the shortest first.
    pub latencies: Vec<(u64, Sent)>,
}

/// Now, in milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

impl Ledger {
    /// Sends to all of these mailboxes in turn, so many messages a second, until it is told to stop. Where the server isn't there, no
    /// message is sent.
    pub fn send(&self, from: &str, server: SocketAddr, to: &[String], each_second: u32) {
        let pause = Duration::from_secs(1) / each_second;
        let mut client: Option<Client> = None;
        let mut turns = to.iter().cycle();
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(pause);
            if client.is_none() {
                client = open(server);
            }
            let (Some(connection), Some(mailbox)) = (&mut client, turns.next()) else {
                continue;
            };
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let sent = Sent {
                from: from.to_owned(),
                to: mailbox.clone(),
                at: now(),
            };
            let content =
                format!("From: {from}@sites.test\r\nSubject: number {number}\r\n\r\nwords\r\n");
            let recipient = format!("{mailbox}@sites.test");
            let sender = format!("{from}@sites.test");
            match connection.send(&sender, &[&recipient], content.as_bytes()) {
                // Only what was answered for is owed.
                Ok(reply) if reply.is_good() => {
                    self.sent.lock().insert(number, sent);
                }
                Ok(_) => {
                    let _ = connection.command("RSET");
                }
                Err(_) => client = None,
            }
        }
    }

    /// No more is sent.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How many were answered for so far.
    pub fn count(&self) -> usize {
        self.sent.lock().len()
    }

    /// The numbers of those that aren't among these.
    pub fn missing_among(&self, arrived: &[Arrived]) -> usize {
        let sent = self.sent.lock();
        let there: std::collections::HashSet<u64> = arrived.iter().map(|one| one.number).collect();
        sent.keys().filter(|number| !there.contains(number)).count()
    }

    /// Whether one of these messages is among those that arrived.
    pub fn any_among(&self, arrived: &[Arrived], wanted: impl Fn(&Sent) -> bool) -> bool {
        let sent = self.sent.lock();
        let mut arrived = arrived.iter();
        arrived.any(|one| sent.get(&one.number).is_some_and(&wanted))
    }

    /// What became of what was sent.
    pub fn account(&self, arrived: &[Arrived]) -> Account {
        let sent = self.sent.lock();
        let mut by_number: HashMap<u64, Vec<&Arrived>> = HashMap::new();
        for one in arrived {
            by_number.entry(one.number).or_default().push(one);
        }
        let mut account = Account {
            sent: sent.len(),
            ..Account::default()
        };
        for (number, message) in &*sent {
            let found = by_number.get(number).map(Vec::as_slice).unwrap_or_default();
            let (his, others): (Vec<&Arrived>, Vec<&Arrived>) =
                found.iter().copied().partition(|one| one.at == message.to);
            account.astray.extend(others.into_iter().cloned());
            match his.as_slice() {
                [] => account.missing.push((*number, message.clone())),
                [_] => {}
                _ => account.doubled.push((*number, message.clone())),
            }
            if let Some(first) = his.iter().map(|one| one.received).min() {
                let took = first.saturating_sub(message.at);
                account.latencies.push((took, message.clone()));
            }
        }
        account.latencies.sort_by_key(|(took, _)| *took);
        account
    }
}

fn open(server: SocketAddr) -> Option<Client> {
    let mut client = Client::connect(server).ok()?;
    let reply = client.ehlo("sender.sites.test").ok()?;
    reply.is_good().then_some(client)
}

/// What lies in some mailboxes of a server.
pub fn arrived(server: &crate::Server, mailboxes: &[&str]) -> Vec<Arrived> {
    let mut all = Vec::new();
    for mailbox in mailboxes {
        let list = server.ask(&["mailbox", "messages", mailbox]);
        for message in list["messages"].as_array().unwrap() {
            let subject = message["subject"].as_str().unwrap_or_default();
            let number = subject
                .strip_prefix("number ")
                .and_then(|text| text.parse().ok());
            // Notices to the postmaster aren't ours.
            all.extend(number.map(|number| Arrived {
                number,
                at: (*mailbox).to_owned(),
                received: message["received"].as_u64().unwrap(),
            }));
        }
    }
    all
}

impl Account {
    /// The same of some of the messages, of which only the latencies are told.
    pub fn only(&self, wanted: impl Fn(&Sent) -> bool) -> Self {
        let latencies = self.latencies.iter();
        let latencies = latencies.filter(|(_, message)| wanted(message));
        Self {
            latencies: latencies.cloned().collect(),
            ..Self::default()
        }
    }

    /// The latency below which so many of a hundred are.
    pub fn percentile(&self, percent: usize) -> u64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = last * percent / 100;
        self.latencies.get(place).map_or(0, |(took, _)| *took)
    }

    /// How many milliseconds after the beginning of a span of time the last message was sent that took longer than this: from then
    /// on mail between those for whom it holds found its way at once.
    pub fn until_quick(
        &self,
        span: &std::ops::Range<u64>,
        longest: u64,
        concerned: impl Fn(&Sent) -> bool,
    ) -> u64 {
        let slow = self.latencies.iter().filter(|(took, message)| {
            *took > longest && span.contains(&message.at) && concerned(message)
        });
        let last = slow.map(|(_, message)| message.at + 1).max();
        last.map_or(0, |last| last - span.start)
    }
}
