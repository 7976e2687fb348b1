//! A look at a spool that no server has open: what is in it and what is wrong, in plain words. Nothing is changed.

use crate::error::OpenError;
use crate::folders;
use crate::record::{ContentRecord, Record};
use crate::segment::{Segment, scan_segment, sequence_of};
use crate::steering;
use bridgehead_disk::Disk;
use bridgehead_mail::MessageId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was found in a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Messages that a server would find.
    pub messages: u64,
    /// Octets of their content.
    pub octets: u64,
    /// Segments.
    pub segments: u64,
    /// What is as it should be after a crash: torn tails, contents that nobody needs. A start deals with it, nothing is lost.
    pub harmless: Vec<String>,
    /// What may mean that something is lost.
    pub damage: Vec<String>,
    /// Files that don't belong there.
    pub foreign: Vec<String>,
}

/// What is known of a message: octets of its content, and whether they lie in the segment.
type Known = BTreeMap<MessageId, (u64, bool)>;

/// Looks at a spool.
///
/// # Errors
/// If a server has it open, it can't be read, or a later version has written it.
pub fn check(disk: &dyn Disk, directory: &Path) -> Result<Checked, OpenError> {
    let failed = |doing: &'static str| {
        let path = directory.to_owned();
        move |source| OpenError::Disk {
            doing,
            path,
            source,
        }
    };
    disk.list(directory).map_err(failed("list"))?;
    let _lock = match disk.lock(&directory.join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            let directory = directory.to_owned();
            return Err(OpenError::InUse { directory });
        }
        Err(error) => return Err(failed("lock")(error)),
    };
    let mut checked = Checked::default();
    let mut known = Known::new();
    let mut contents: BTreeMap<String, u64> = BTreeMap::new();
    let mut segments = BTreeMap::new();
    let others = folders::list(disk, directory)?.unwrap_or_default();
    let others = others.into_iter().map(|listed| listed.path);
    for folder in std::iter::once(directory.to_owned()).chain(others) {
        checked.look_into(disk, &folder, &mut segments, &mut contents);
    }
    let mut last_batch = 0;
    for path in segments.values() {
        last_batch = checked.segment(disk, path, last_batch, &mut known)?;
    }
    checked.compare(directory, &known, contents);
    match steering::read(disk, &directory.join(steering::NAME)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let what = "what operators hold can't be read, so a start holds all outbound mail";
            checked.damage.push(format!("{what}: {error}"));
        }
        _ => {}
    }
    Ok(checked)
}

/// What belongs into a folder of a spool, beside segments and contents.
const BELONGS: [&str; 12] = [
    "in-hand",
    "suspects",
    "aborted",
    "lock",
    "steering",
    "steering.new",
    "folders",
    "folders.new",
    "folder",
    "identity",
    "adopting",
    "adopted",
];

impl Checked {
    /// What lies in one folder. Where there are two copies of a content, the larger one counts.
    fn look_into(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        segments: &mut BTreeMap<u64, PathBuf>,
        contents: &mut BTreeMap<String, u64>,
    ) {
        let entries = match disk.list(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let folder = folder.display();
                let what = "is a folder of the spool and can't be read";
                self.damage.push(format!("{folder} {what}: {error}"));
                return;
            }
        };
        for entry in entries {
            let path = folder.join(&entry.name);
            if let Some(sequence) = sequence_of(&entry.name) {
                segments.insert(sequence, path);
            } else if let Some(id) = entry.name.strip_suffix(".content") {
                let known = contents.entry(id.to_owned()).or_default();
                *known = entry.size.max(*known);
            } else if entry.name.ends_with(".moving") {
                let path = path.display();
                self.harmless
                    .push(format!("{path}: a copy that wasn't finished"));
            } else if !BELONGS.contains(&entry.name.as_str()) && !entry.name.ends_with(".damaged") {
                self.foreign.push(path.display().to_string());
            }
        }
    }

    fn segment(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        last_batch: u64,
        known: &mut Known,
    ) -> Result<u64, OpenError> {
        let (_, octets) = Segment::open(disk, path)?;
        self.segments += 1;
        let found = scan_segment(&octets, last_batch);
        let file = path.display();
        for gap in &found.damage {
            self.damage.push(format!(
                "{file}: {} octets at octet {} can't be read, and had been durable",
                gap.octets, gap.offset
            ));
        }
        if let Some(torn) = found.torn {
            self.harmless.push(format!(
                "{file}: the {} octets at octet {} were being written; nobody was answered for them",
                torn.octets, torn.offset
            ));
        }
        for kept in found.kept {
            match kept.frame.record {
                Record::Accepted { content, .. } => {
                    let content = match content {
                        ContentRecord::Inline(octets) => (octets.len() as u64, true),
                        ContentRecord::File { size } => (size, false),
                    };
                    known.insert(kept.frame.message, content);
                }
                Record::Done | Record::Ended { .. } => {
                    known.remove(&kept.frame.message);
                }
                _ => {}
            }
        }
        Ok(found.last_batch)
    }

    fn compare(&mut self, directory: &Path, known: &Known, mut contents: BTreeMap<String, u64>) {
        for (id, (size, inline)) in known {
            self.messages += 1;
            self.octets += size;
            if *inline {
                continue;
            }
            match contents.remove(&id.to_string()) {
                Some(found) if found >= *size => {}
                Some(found) => self.damage.push(format!(
                    "message {id}: its content has {found} octets instead of {size}"
                )),
                None => self
                    .damage
                    .push(format!("message {id}: its content is gone")),
            }
        }
        for id in contents.into_keys() {
            let path = directory.join(format!("{id}.content"));
            let path = path.display();
            self.harmless
                .push(format!("{path}: a content that no message needs"));
        }
    }
}
