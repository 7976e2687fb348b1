//! The files of the log: one line a step, a new file each day and whenever one is full, the oldest removed.

use crate::line::TraceLine;
use crate::settings::Settings;
use bridgehead_mail::{MessageId, Timestamp};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The log of one server.
pub(crate) struct Files {
    directory: PathBuf,
    settings: Settings,
    current: Option<Current>,
}

struct Current {
    file: File,
    day: u64,
    octets: u64,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Files {
    pub(crate) fn open(directory: &Path, settings: Settings) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            settings,
            current: None,
        })
    }

    /// Appends lines, in a new file if the day or the present one is over.
    pub(crate) fn append(&mut self, lines: &[u8], at: Timestamp) -> io::Result<()> {
        let day = at.as_millis() / DAY_MS;
        let fits = |current: &Current| {
            current.day == day && current.octets < self.settings.file_octets_max
        };
        if !self.current.as_ref().is_some_and(fits) {
            let path = self
                .directory
                .join(format!("tracking-{:015}.jsonl", at.as_millis()));
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).mode(0o600).open(path)?;
            let octets = file.metadata()?.len();
            self.current = Some(Current { file, day, octets });
            self.remove_oldest()?;
        }
        if let Some(current) = &mut self.current {
            current.file.write_all(lines)?;
            current.octets += lines.len() as u64;
        }
        Ok(())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let files = list(&self.directory)?;
        let mut total = 0;
        for path in files.iter().rev() {
            total += fs::metadata(path)?.len();
            if total > self.settings.total_octets_max {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// The files, oldest first.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("tracking-") && name.ends_with(".jsonl") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// The steps of one message, in order. Files that ended before it was accepted aren't read.
pub(crate) fn search(directory: &Path, id: MessageId) -> io::Result<Vec<TraceLine>> {
    let accepted_ms = u64::try_from(id.as_u128() >> 80).unwrap_or(0);
    let text = id.to_string();
    let mut found = Vec::new();
    for path in list(directory)? {
        let ended = fs::metadata(&path)?.modified()?;
        let ended = ended
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        // A second for clocks of different grain.
        if ended.as_millis() + 1_000 < u128::from(accepted_ms) {
            continue;
        }
        search_file(&path, text.as_bytes(), &mut found)?;
    }
    found.retain(|line| line.id == text);
    // Rooms write when they come to it: the next may be quicker than the one that accepted.
    found.sort_by_key(|line| (line.at, line.step != "accepted"));
    Ok(found)
}

fn search_file(path: &Path, id: &[u8], found: &mut Vec<TraceLine>) -> io::Result<()> {
    const PIECE: usize = 1024 * 1024;
    let mut file = File::open(path)?;
    let finder = memchr::memmem::Finder::new(id);
    let mut buffer = Vec::new();
    loop {
        let kept = buffer.len();
        buffer.resize(kept + PIECE, 0);
        let count = file.read(buffer.get_mut(kept..).unwrap_or_default())?;
        buffer.truncate(kept + count);
        let end = match memchr::memrchr(b'\n', &buffer) {
            Some(end) => end + 1,
            None if count == 0 => return Ok(()),
            None => continue,
        };
        let whole = buffer.get(..end).unwrap_or_default();
        if finder.find(whole).is_some() {
            let lines = whole.split(|octet| *octet == b'\n');
            let with_id = lines.filter(|line| finder.find(line).is_some());
            // A line that a crash has torn isn't JSON, and says nothing.
            found.extend(with_id.filter_map(|line| serde_json::from_slice(line).ok()));
        }
        buffer.drain(..end);
        if count == 0 {
            return Ok(());
        }
    }
}
