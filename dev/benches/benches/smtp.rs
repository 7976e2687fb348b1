//! The receiving side of SMTP at memory speed: commands, the decoder of DATA, a whole session.

use bridgehead_mail::{Domain, MessageId, Timestamp};
use bridgehead_smtp::command::Command;
use bridgehead_smtp::data::{Decoder, Rules};
use bridgehead_smtp::header::HeaderWatch;
use bridgehead_smtp::server::{Action, Ask, Client, Policy, Proof, Session, Verdict};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    divan::main();
}

const RULES: Rules = Rules {
    dots: true,
    normalise: false,
    line_max: None,
};

fn content(octets: usize) -> Vec<u8> {
    let line = b"A line of ordinary text, as long as most lines of ordinary messages are.\r\n";
    let mut content = b"Received: from a\r\nSubject: x\r\n\r\n".to_vec();
    while content.len() < octets {
        content.extend_from_slice(line);
    }
    content
}

#[divan::bench(args = [
    "MAIL FROM:<alice@client.example> SIZE=1024 BODY=8BITMIME",
    "RCPT TO:<bob@example.test>",
    "BDAT 1024 LAST",
    "EHLO client.example",
])]
fn command(line: &str) -> bool {
    Command::parse(black_box(line.as_bytes())).is_ok()
}

#[divan::bench(args = [1 << 10, 100 << 10])]
fn decode_data(bencher: Bencher<'_, '_>, octets: usize) {
    let mut data = content(octets);
    data.extend_from_slice(b".\r\n");
    bencher.counter(BytesCount::new(data.len())).bench(|| {
        let mut decoder = Decoder::new(RULES);
        let mut watch = HeaderWatch::new();
        let mut rest: &[u8] = &data;
        loop {
            let step = decoder.step(black_box(rest));
            watch.watch(step.text);
            rest = rest.get(step.eaten..).unwrap_or_default();
            if step.end {
                return (decoder.fault(), watch.hops());
            }
        }
    });
}

/// A message that is thrown away as soon as it is there.
struct Nowhere;

impl Proof for Nowhere {
    fn id(&self) -> MessageId {
        MessageId::new(Timestamp::EPOCH, 1)
    }
}

/// EHLO, then so many messages of 1 KiB, pipelined as far as the protocol allows.
#[divan::bench(args = [1, 100])]
fn session(bencher: Bencher<'_, '_>, messages: usize) {
    let Ok(name) = Domain::parse("mail.example.test") else {
        return;
    };
    let policy = Arc::new(Policy::new(name.clone(), name));
    let mut body = content(1_024);
    body.extend_from_slice(b".\r\n");
    let opening = b"MAIL FROM:<a@client.test> SIZE=1024\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n";
    let mut pieces: Vec<&[u8]> = vec![b"", b"EHLO client.test\r\n"];
    for _ in 0..messages {
        pieces.extend([&opening[..], &body]);
    }
    bencher.counter(ItemsCount::new(messages)).bench(|| {
        let now = Instant::now();
        let client = Client {
            address: None,
            trusted: true,
            connected: Timestamp::EPOCH,
        };
        let mut session = Session::new(Arc::clone(&policy), client, None, now);
        pieces
            .iter()
            .map(|piece| play(&mut session, now, piece))
            .sum::<usize>()
    });
}

fn play(session: &mut Session<Nowhere>, now: Instant, mut piece: &[u8]) -> usize {
    let mut written = 0;
    loop {
        let taken = session.receive(now, black_box(piece));
        let idle = taken.is_nothing();
        piece = piece.get(taken.eaten..).unwrap_or_default();
        let mut acted = false;
        while let Some(action) = session.poll() {
            acted = true;
            let verdict = match action {
                Action::Write(octets) => {
                    written += octets.len();
                    continue;
                }
                Action::Ask(Ask::Commit(_)) => Verdict::Stored(Nowhere),
                Action::Ask(_) => Verdict::Admit,
                _ => continue,
            };
            session.answer(now, verdict);
        }
        if idle && !acted {
            return written;
        }
    }
}
