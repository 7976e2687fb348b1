//! Random sessions against a reference model of a few lines: what each command must answer, and that nothing of a
//! transaction is left after its final reply (BDAT confusion of 2020 and 2026, state not reset of 2026).

use crate::driver::{Play, World};
use proptest::prelude::*;

/// What a client may do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ehlo,
    Helo,
    Noop,
    Vrfy,
    Rset,
    Mail { binary: bool },
    Rcpt { known: bool },
    Data(Content),
    Bdat { content: Content, last: bool },
    StartTls,
    Auth { right: bool },
    Atrn,
    Unknown,
    BareLf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Content {
    Nothing,
    Clean,
    BareLf,
    Nul,
    LooksLikeCommands,
}

impl Content {
    fn octets(self) -> &'static [u8] {
        match self {
            Self::Nothing => b"",
            Self::Clean => b"Subject: x\r\n\r\nhello\r\n",
            Self::BareLf => b"a\nb\r\n",
            Self::Nul => b"a\0b\r\n",
            Self::LooksLikeCommands => b"RSET\r\nSTARTTLS\r\nQUIT\r\n",
        }
    }

    fn is_text(self) -> bool {
        !matches!(self, Self::BareLf | Self::Nul)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transaction {
    None,
    Opened { binary: bool },
    Addressed { binary: bool },
    Chunked { binary: bool },
}

/// The whole of RFC 5321 §4.1.4, RFC 3030, RFC 3207 and RFC 4954 as far as order is concerned.
#[derive(Debug)]
struct Model {
    hello: Option<bool>,
    tls: bool,
    user: bool,
    transaction: Transaction,
    stored: usize,
}

impl Model {
    const fn new() -> Self {
        Self {
            hello: None,
            tls: false,
            user: false,
            transaction: Transaction::None,
            stored: 0,
        }
    }

    /// The codes that answer this step.
    fn step(&mut self, step: Step) -> Vec<u16> {
        use Transaction as T;
        match step {
            Step::Noop => vec![250],
            Step::Vrfy => vec![252],
            Step::Unknown | Step::BareLf => vec![500],
            Step::Rset => {
                self.transaction = T::None;
                vec![250]
            }
            Step::Ehlo | Step::Helo => {
                self.hello = Some(matches!(step, Step::Ehlo));
                self.transaction = T::None;
                vec![250]
            }
            Step::StartTls if self.tls => vec![503],
            Step::StartTls => {
                let stored = self.stored;
                *self = Self {
                    tls: true,
                    stored,
                    ..Self::new()
                };
                vec![220]
            }
            Step::Auth { .. } if !self.tls => vec![538],
            Step::Auth { .. }
                if self.hello.is_none() || self.user || self.transaction != T::None =>
            {
                vec![503]
            }
            Step::Auth { right } => {
                self.user = right;
                vec![if right { 235 } else { 535 }]
            }
            Step::Atrn => vec![self.atrn()],
            Step::Mail { binary } => match (self.hello, self.transaction) {
                (Some(extended), T::None) if extended || !binary => {
                    self.transaction = T::Opened { binary };
                    vec![250]
                }
                (Some(_), T::None) => vec![555],
                _ => vec![503],
            },
            Step::Rcpt { known } => match self.transaction {
                T::Opened { binary } | T::Addressed { binary } if known => {
                    self.transaction = T::Addressed { binary };
                    vec![250]
                }
                T::Opened { .. } | T::Addressed { .. } => vec![550],
                _ => vec![503],
            },
            Step::Data(content) => match self.transaction {
                T::Addressed { binary: false } => vec![354, self.end(content.is_text())],
                _ => vec![503],
            },
            Step::Bdat { content, last } => match self.transaction {
                T::Addressed { binary } | T::Chunked { binary } => {
                    if !last && (binary || content.is_text()) {
                        self.transaction = T::Chunked { binary };
                        return vec![250];
                    }
                    vec![self.end(binary || content.is_text())]
                }
                _ => {
                    self.transaction = T::None;
                    vec![503]
                }
            },
        }
    }

    /// RFC 2645 §5.2; nothing waits.
    fn atrn(&self) -> u16 {
        match (self.hello, self.user, self.transaction) {
            (None, ..) => 503,
            (_, false, _) => 530,
            (_, true, Transaction::None) => 453,
            _ => 503,
        }
    }

    fn end(&mut self, good: bool) -> u16 {
        self.transaction = Transaction::None;
        self.stored += usize::from(good);
        if good { 250 } else { 550 }
    }
}

/// Sends a step; gives the codes of the replies.
fn send(play: &mut Play, step: Step, goes_on: bool) -> Vec<u16> {
    let line = match step {
        Step::Ehlo => "EHLO client.test\r\n",
        Step::Helo => "HELO client.test\r\n",
        Step::Noop => "NOOP\r\n",
        Step::Vrfy => "VRFY alice\r\n",
        Step::Rset => "RSET\r\n",
        Step::Mail { binary: true } => "MAIL FROM:<alice@client.test> BODY=BINARYMIME\r\n",
        Step::Mail { binary: false } => "MAIL FROM:<alice@client.test>\r\n",
        Step::Rcpt { known: true } => "RCPT TO:<alice@example.test>\r\n",
        Step::Rcpt { known: false } => "RCPT TO:<nobody@example.test>\r\n",
        Step::Data(_) => "DATA\r\n",
        Step::Bdat { content, last } => {
            let last = if last { " LAST" } else { "" };
            play.send(format!("BDAT {}{last}\r\n", content.octets().len()).as_bytes());
            play.send(content.octets());
            return codes(play);
        }
        Step::StartTls => "STARTTLS\r\n",
        Step::Atrn => "ATRN empty.example.test\r\n",
        Step::Auth { right: true } => "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
        Step::Auth { right: false } => "AUTH PLAIN AGFsaWNlAHg=\r\n",
        Step::Unknown => "XYZZY\r\n",
        Step::BareLf => "MAIL FROM:<a@client.test>\nRCPT TO:<alice@example.test>\r\n",
    };
    play.send(line.as_bytes());
    if let (Step::Data(content), true) = (step, goes_on) {
        play.send(content.octets());
        play.send(b".\r\n");
    }
    codes(play)
}

fn codes(play: &mut Play) -> Vec<u16> {
    let text = String::from_utf8(std::mem::take(&mut play.output)).unwrap();
    let last_lines = text.lines().filter(|line| line.as_bytes()[3] == b' ');
    last_lines.map(|line| line[..3].parse().unwrap()).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content = prop_oneof![
        1 => Just(Content::Nothing),
        3 => Just(Content::Clean),
        1 => Just(Content::BareLf),
        1 => Just(Content::Nul),
        1 => Just(Content::LooksLikeCommands),
    ];
    let step = prop_oneof![
        2 => Just(Step::Ehlo),
        1 => Just(Step::Helo),
        1 => Just(Step::Noop),
        1 => Just(Step::Vrfy),
        1 => Just(Step::Rset),
        6 => proptest::bool::weighted(0.3).prop_map(|binary| Step::Mail { binary }),
        8 => proptest::bool::weighted(0.8).prop_map(|known| Step::Rcpt { known }),
        4 => content.clone().prop_map(Step::Data),
        6 => (content, any::<bool>()).prop_map(|(content, last)| Step::Bdat { content, last }),
        1 => Just(Step::StartTls),
        1 => any::<bool>().prop_map(|right| Step::Auth { right }),
        1 => Just(Step::Atrn),
        1 => Just(Step::Unknown),
        1 => Just(Step::BareLf),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_answers_as_the_model_does(steps in steps()) {
        let mut world = World::default();
        let policy = &mut world.policy;
        (policy.starttls, policy.auth, policy.binarymime, policy.atrn) = (true, true, true, true);
        (policy.max_errors, policy.max_idle_commands, policy.max_auth_failures) = (1_000, 1_000, 1_000);
        let mut play = Play::new(world);
        play.pump();
        prop_assert_eq!(codes(&mut play), vec![220]);
        let mut model = Model::new();
        for step in steps {
            let before = format!("{model:?}");
            let expected = model.step(step);
            let found = send(&mut play, step, expected.len() > 1);
            prop_assert_eq!(&found, &expected, "{:?} after {}", step, before);
            prop_assert_eq!(play.stored.len(), model.stored);
            let chunked = matches!(model.transaction, Transaction::Chunked { .. });
            prop_assert_eq!(play.has_draft(), chunked, "a draft is kept exactly while chunks may come");
        }
    }
}
