//! The way in: a draft takes the content as it comes, and is committed with its envelope.
//!
//! Guards: a draft that isn't committed leaves nothing behind. Refuses: mail while the disk is nearly full or storing has
//! failed.

use crate::entry::{Facts, Hot};
use crate::error::Refused;
use crate::folders::Folder;
use crate::gather::{Committed, Meaning, NewMessage};
use crate::record::{ContentRecord, FRAME_OCTETS_MAX, Record};
use crate::shared::Shared;
use bridgehead_disk::DiskFile;
use bridgehead_mail::{Envelope, MessageId, Timestamp};
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The door through which messages come in. Cheap to copy.
#[derive(Clone)]
pub struct Inlet {
    pub(crate) shared: Arc<Shared>,
}

impl Inlet {
    /// Starts a message. `size_hint` is the size the client declared, if it did.
    ///
    /// # Errors
    /// If there is too little space, storing has failed, or the queue is closed.
    pub fn begin(&self, now: Timestamp, size_hint: Option<u64>) -> Result<Draft, Refused> {
        self.shared.may_accept(now, size_hint.unwrap_or(0))?;
        Ok(self.draft(now))
    }

    /// Starts a message of the server itself, as a report: for these some room is kept.
    ///
    /// # Errors
    /// If there is no space at all, storing has failed, or the queue is closed.
    pub fn begin_own(&self, now: Timestamp) -> Result<Draft, Refused> {
        self.shared.may_accept_own(now)?;
        Ok(self.draft(now))
    }

    /// Whether a message of this size would be taken now, and how long the reply to it is to be delayed.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn check(&self, now: Timestamp, size: u64) -> Result<Duration, Refused> {
        self.shared.may_accept(now, size)
    }

    fn draft(&self, now: Timestamp) -> Draft {
        Draft {
            id: MessageId::new(now, rand::random()),
            shared: Arc::clone(&self.shared),
            buffer: Vec::new(),
            file: None,
            size: 0,
        }
    }
}

/// A message on its way in. Dropped without a commit, it never was.
pub struct Draft {
    id: MessageId,
    pub(crate) shared: Arc<Shared>,
    /// Content that isn't in the file: all of it, while it is small.
    buffer: Vec<u8>,
    file: Option<DraftFile>,
    size: u64,
}

struct DraftFile {
    file: Box<dyn DiskFile>,
    folder: Arc<Folder>,
    path: PathBuf,
    written: u64,
    synced: bool,
}

impl Draft {
    /// The id under which it will be known.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// Octets so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether the content goes to a file, so that writing and committing may block for long.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.file.is_some()
    }

    /// Takes more of the content.
    ///
    /// # Errors
    /// If it can't be written; the draft is useless then.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), Refused> {
        self.size = self.size.saturating_add(octets.len() as u64);
        let most = self.shared.settings.inline_octets_max;
        if self.buffer.len() + octets.len() > most {
            self.spill().map_err(|error| storage(&error))?;
        }
        // One that doesn't fit even into the empty buffer goes past it.
        if let (Some(file), true) = (&mut self.file, octets.len() > most) {
            return file.append(octets).map_err(|error| storage(&error));
        }
        self.buffer.extend_from_slice(octets);
        Ok(())
    }

    /// Moves the buffer to the file, which is made if need be.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let folder = self.shared.present_folder();
                let path = folder.content(self.id);
                let file = self.shared.disk.create(&path)?;
                empty.insert(DraftFile {
                    file,
                    folder,
                    path,
                    written: 0,
                    synced: false,
                })
            }
        };
        file.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the content's own file durable, if there is one. May take long.
    ///
    /// # Errors
    /// If it can't be written or synced. After a failed sync the whole queue refuses until the operator acts.
    pub fn sync_content(&mut self) -> Result<(), Refused> {
        if self.file.is_none() {
            return Ok(());
        }
        self.spill().map_err(|error| storage(&error))?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if let Err(error) = file.file.sync_data() {
            let why = format!("a sync of {} failed ({error})", file.path.display());
            self.shared.refuse(&why);
            return Err(Refused::Storage(why));
        }
        file.synced = true;
        Ok(())
    }

    /// Hands the message to the committer; the answer comes when it is durable.
    ///
    /// # Errors
    /// If the envelope or the content can't be stored.
    pub fn submit(
        mut self,
        envelope: Envelope,
    ) -> Result<oneshot::Receiver<Result<Committed, Refused>>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.check(&envelope)?;
        self.sync_content()?;
        let shared = Arc::clone(&self.shared);
        shared.gather_draft(self, envelope, Some(answer))?;
        Ok(answered)
    }

    pub(crate) fn check(&self, envelope: &Envelope) -> Result<(), Refused> {
        if envelope.recipients.is_empty() {
            return Err(Refused::Envelope("it has no recipient"));
        }
        // Generous: an address has at most 520 octets, an ORCPT 1,000.
        let envelope_octets = envelope.recipients.len().saturating_mul(2_000);
        if envelope_octets.saturating_add(self.buffer.len()) > FRAME_OCTETS_MAX {
            return Err(Refused::Envelope("it has too many recipients"));
        }
        Ok(())
    }

    /// Adds the accept record to the batch. The content's own file must be durable.
    pub(crate) fn gather(
        mut self,
        envelope: Envelope,
        answer: Option<oneshot::Sender<Result<Committed, Refused>>>,
        gather: &mut crate::gather::Gather,
        keep_hot: bool,
    ) {
        let content = match &self.file {
            Some(_) => ContentRecord::File { size: self.size },
            None => ContentRecord::Inline(&self.buffer),
        };
        let folder = self.file.as_ref().map(|file| Arc::clone(&file.folder));
        let record = Record::Accepted {
            envelope: Box::new(envelope),
            content,
            adoption: None,
        };
        let start = gather.buffer.len();
        let length = crate::record::append(&mut gather.buffer, self.id, &record);
        debug_assert_eq!(gather.buffer.len(), start + length);
        let Record::Accepted { envelope, .. } = record else {
            return;
        };
        let new = NewMessage {
            facts: Facts::of(&envelope, self.size, folder.clone()),
            hot: keep_hot.then(|| {
                Box::new(Hot {
                    envelope: Arc::from(envelope),
                    addressees: None,
                })
            }),
            answer,
        };
        if let Some(folder) = &folder {
            gather.name_in(folder);
        }
        gather.urgent |= new.answer.is_some();
        gather.company += usize::from(new.answer.is_some());
        gather.notes.push(crate::gather::Note {
            message: self.id,
            length,
            meaning: Meaning::Accepted(Box::new(new)),
        });
        // From here on the file is the message's.
        self.file = None;
    }
}

impl DraftFile {
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_at(self.written, &[IoSlice::new(octets)])?;
        self.written = self.written.saturating_add(octets.len() as u64);
        self.synced = false;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // If it can't be removed now, recovery does: nothing refers to it.
            let _ = self.shared.disk.remove(&file.path);
        }
    }
}

fn storage(error: &io::Error) -> Refused {
    Refused::Storage(error.to_string())
}
