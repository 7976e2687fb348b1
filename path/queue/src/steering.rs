//! What operators hold on the whole server, in a file of its own beside the segments, replaced as a whole.
//!
//! Guards: it is durable before it is in force; a file that can't be read holds everything that goes out, because what it held
//! isn't known.

use crate::control::{Decision, Steering};
use crate::error::Refused;
use crate::record::{self, Record};
use crate::shared::Shared;
use crate::small_file::{self, FolderFault};
use bridgehead_disk::Disk;
use bridgehead_mail::{MessageId, Timestamp};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

pub(crate) const NAME: &str = "steering";

/// What is held, and what is wrong with the file, if something is.
///
/// # Errors
/// If the disk says no.
pub(crate) fn load(
    disk: &dyn Disk,
    directory: &Path,
    now: Timestamp,
) -> io::Result<(Steering, Option<String>)> {
    match read(disk, &directory.join(NAME)) {
        Ok(steering) => {
            // What was read may be in memory only, after a sync that failed before the process ended.
            save(disk, directory, &steering).map_err(io::Error::other)?;
            Ok((steering, None))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Steering::default(), None)),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => Err(error),
        Err(error) => {
            let path = directory.join(NAME);
            let why = format!("{}: {error}: all outbound mail is held", path.display());
            let outbound = Some(Decision {
                by: "the server, because it can't read what was held".into(),
                at: now,
            });
            let steering = Steering {
                outbound,
                ..Steering::default()
            };
            Ok((steering, Some(why)))
        }
    }
}

pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Steering> {
    let octets = small_file::read(disk, path)?;
    match record::parse(&octets).map(|frame| frame.record) {
        Ok(Record::Steering(steering)) => Ok(*steering),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it holds something else",
        )),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

fn save(disk: &dyn Disk, directory: &Path, steering: &Steering) -> Result<(), FolderFault> {
    let mut frame = Vec::new();
    let record = Record::Steering(Box::new(steering.clone()));
    record::append(&mut frame, MessageId::from_u128(0), &record);
    record::stamp(&mut frame, 0);
    small_file::replace(disk, directory, NAME, &frame)
}

impl Shared {
    /// Changes what is held. Returns whether that was a change.
    ///
    /// # Errors
    /// If it can't be stored: then nothing is changed.
    pub(crate) fn steer(&self, change: impl FnOnce(&mut Steering)) -> Result<bool, Refused> {
        let mut unsure = self.steering.lock();
        let before = self.state.lock().schedule.steering().clone();
        let mut after = before.clone();
        change(&mut after);
        let changed = after != before;
        if !changed && !*unsure {
            return Ok(false);
        }
        *unsure = true;
        let saved = save(&*self.disk, &self.settings.directory, &after);
        self.heeded(saved)
            .map_err(|fault| Refused::Storage(format!("what is held can't be stored: {fault}")))?;
        *unsure = false;
        self.draining
            .store(after.draining.is_some(), Ordering::Release);
        self.state.lock().schedule.steer(after);
        self.changed.notify_one();
        Ok(changed)
    }
}
