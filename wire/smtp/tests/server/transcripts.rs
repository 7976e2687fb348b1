//! Plays the files in `tests/transcripts`. How to read them:
//!
//! `# ...` says what is shown and which sentence asks for it · `given: key = value` sets the scene · `S: ` one line
//! of the server, `*` stands for anything · `C: ` one line of the client, CRLF is added · `C> ` octets of the
//! client as they are, with `\r \n \0 \\ \xNN` · `C* N text` the line N times · client lines that follow each other
//! arrive in one piece · `+ 5m` the clock moves (s, m, h) · `! shutdown` the server wants to stop · `! closed` the
//! server has closed · `! open` it hasn't · `! turned NAME` the client of this name is the server now · `! writes N` so many writes since the last time this was asked ·
//! `! stored N` so many messages in all · `! content ...` the content of the last one, escaped as above ·
//! `! envelope ...` a part of the text form of the last envelope · `! no draft` nothing is kept of a message.

use crate::driver::{Play, World};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_transcript_goes_as_written() {
    let files = files();
    assert!(files.len() >= 40, "transcripts have gone missing");
    let faults: Vec<String> = files
        .iter()
        .filter_map(|file| play(file, false).err())
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What depends on several commands arriving at once can't be shown octet by octet.
#[test]
fn every_transcript_goes_the_same_octet_by_octet() {
    let faults: Vec<String> = files()
        .iter()
        .filter(|file| !fs::read_to_string(file).unwrap().contains("\nwhole"))
        .filter_map(|file| play(file, true).err())
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Plays one file; the error names file and line.
fn play(file: &Path, by_octet: bool) -> Result<(), String> {
    let text = fs::read_to_string(file).unwrap();
    let mut world = World::default();
    for line in text.lines() {
        if let Some((key, value)) = line
            .strip_prefix("given: ")
            .and_then(|it| it.split_once(" = "))
        {
            given(&mut world, key, value);
        }
    }
    let mut stage = Stage {
        play: Play::new(world),
        piece: Vec::new(),
        by_octet,
        writes: 0,
    };
    stage.play.pump();
    for (number, line) in text.lines().enumerate() {
        let name = file.file_name().unwrap().to_string_lossy();
        stage
            .line(line)
            .map_err(|fault| format!("{name}:{}: {line}\n    {fault}", number + 1))?;
    }
    stage.flush();
    match stage.play.output.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}: the server says more: {:?}",
            file.display(),
            stage.output()
        )),
    }
}

fn given(world: &mut World, key: &str, value: &str) {
    let number = || value.parse().expect("a number");
    let policy = &mut world.policy;
    match key {
        "starttls" => policy.starttls = value == "yes",
        "auth" => policy.auth = value == "yes",
        "atrn" => policy.atrn = value == "yes",
        "etrn" => policy.etrn = value == "yes",
        "require-auth" => policy.require_auth = value == "yes",
        "require-tls" => policy.require_tls = value == "yes",
        "binarymime" => policy.binarymime = value == "yes",
        "bare-line-ends" => policy.normalise_line_ends = value == "normalise",
        "refuse-early-talk" => policy.refuse_early_talk = value == "yes",
        "trusted" => world.trusted = value == "yes",
        "member" => world.member = Some(value.into()),
        "priority-from-header" => policy.priority_from_header = value == "yes",
        "disk" => world.disk_full = value == "full",
        "storage" => world.storage_failed = value == "failed",
        "max-hold" => policy.max_hold = value.parse().ok(),
        "max-message-size" => policy.max_message_size = number(),
        "max-recipients" => policy.max_recipients = value.parse().unwrap(),
        "max-header-size" => policy.max_header_size = number(),
        "max-line-size" => policy.max_line_size = Some(number()),
        "max-hops" => policy.max_hops = value.parse().unwrap(),
        "max-command-size" => policy.max_command_size = value.parse().unwrap(),
        "max-errors" => policy.max_errors = value.parse().unwrap(),
        "max-idle-commands" => policy.max_idle_commands = value.parse().unwrap(),
        "max-auth-failures" => policy.max_auth_failures = value.parse().unwrap(),
        "max-discarded" => policy.max_discarded = number(),
        _ => panic!("unknown key {key}"),
    }
}

struct Stage {
    play: Play,
    piece: Vec<u8>,
    by_octet: bool,
    writes: usize,
}

impl Stage {
    fn flush(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        if self.by_octet {
            for octet in piece {
                self.play.send(&[octet]);
            }
        } else if !piece.is_empty() {
            self.play.send(&piece);
        }
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.play.output).into_owned()
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(text) = line.strip_prefix("C: ").or((line == "C:").then_some("")) {
            self.client(text.as_bytes(), true)
        } else if let Some(text) = line.strip_prefix("C> ") {
            self.client(&unescape(text), false)
        } else if let Some(text) = line.strip_prefix("C* ") {
            let (times, text) = text
                .split_once(' ')
                .ok_or("a number and a line are expected")?;
            let times: usize = times.parse().map_err(|_| "not a number")?;
            self.client(format!("{text}\r\n").repeat(times).as_bytes(), false)
        } else if let Some(pattern) = line.strip_prefix("S: ") {
            self.server(pattern)
        } else if let Some(time) = line.strip_prefix("+ ") {
            self.flush();
            self.quiet()?;
            self.play.pass(duration(time));
            Ok(())
        } else if let Some(check) = line.strip_prefix("! ") {
            self.flush();
            self.check(check)
        } else if line.is_empty()
            || line.starts_with(['#'])
            || line.starts_with("given:")
            || line == "whole"
        {
            Ok(())
        } else {
            Err("this line means nothing".into())
        }
    }

    fn client(&mut self, octets: &[u8], with_end: bool) -> Result<(), String> {
        if self.piece.is_empty() {
            self.quiet()?;
        }
        self.piece.extend_from_slice(octets);
        if with_end {
            self.piece.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn quiet(&self) -> Result<(), String> {
        match self.play.output.is_empty() {
            true => Ok(()),
            false => Err(format!("before this the server says: {:?}", self.output())),
        }
    }

    fn server(&mut self, pattern: &str) -> Result<(), String> {
        self.flush();
        let output = self.output();
        let Some((line, _)) = output.split_once("\r\n") else {
            return Err(format!("the server says: {output:?}"));
        };
        if !fits(pattern, line) {
            return Err(format!("the server says: {line:?}"));
        }
        self.play.output.drain(..line.len() + 2);
        Ok(())
    }

    fn check(&mut self, check: &str) -> Result<(), String> {
        let (word, rest) = check.split_once(' ').unwrap_or((check, ""));
        let last = self.play.stored.last();
        let found = match word {
            "shutdown" => {
                self.play.shut_down();
                return Ok(());
            }
            "closed" | "open" => return same(&self.play.closed, &(word == "closed")),
            "turned" => return same(self.play.turned.as_deref().unwrap_or("nobody"), rest),
            "stored" => return same(self.play.stored.len().to_string().as_str(), rest),
            "no" => return same(&self.play.has_draft(), &false),
            "content" => last.map(|(_, content)| content.clone()).unwrap_or_default(),
            "envelope" => {
                let text = last
                    .map(|(envelope, _)| format!("{envelope:?}"))
                    .unwrap_or_default();
                return if text.contains(rest) {
                    Ok(())
                } else {
                    Err(text)
                };
            }
            "writes" => {
                let count = self.play.writes - self.writes;
                self.writes = self.play.writes;
                let expected = rest.parse().map_err(|_| "not a number")?;
                return if self.by_octet {
                    Ok(())
                } else {
                    same(&count, &expected)
                };
            }
            _ => return Err("this check is not known".into()),
        };
        same(&found, &unescape(rest))
    }
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("found {found:?}, expected {expected:?}"))
}

/// `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(after, rest)))
        }),
    }
}

fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.trim().parse().expect("a number and a unit");
    Duration::from_secs(match unit {
        "s" => number,
        "m" => number * 60,
        "h" => number * 3600,
        _ => panic!("unknown unit"),
    })
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut letters = text.bytes();
    while let Some(letter) = letters.next() {
        if letter != b'\\' {
            octets.push(letter);
            continue;
        }
        octets.push(match letters.next().expect("something is escaped") {
            b'r' => b'\r',
            b'n' => b'\n',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [letters.next().unwrap(), letters.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("unknown escape {other}"),
        });
    }
    octets
}
