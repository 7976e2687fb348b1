//! What waits for the next commit: frames, those who wait for them, and what to do when they are durable.

use crate::entry::{Entry, Facts, Hot};
use crate::error::Refused;
use crate::folders::Folder;
use crate::record::{Record, append};
use bridgehead_mail::MessageId;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Proof that a message is on stable storage. Only the queue makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Committed {
    id: MessageId,
}

impl Committed {
    pub(crate) const fn new(id: MessageId) -> Self {
        Self { id }
    }

    /// The message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }
}

/// The answer that a commit gives.
pub(crate) type Answer = oneshot::Sender<Result<Committed, Refused>>;

/// What a frame means for the state once it is durable.
pub(crate) enum Meaning {
    /// A new message.
    Accepted(Box<NewMessage>),
    /// A message of another spool, which stands still until all of that spool is taken over.
    Adopted(Box<Entry>),
    /// The accept record of a known message was copied forward.
    Moved,
    /// The addressees of a message, found out by its so-manyth assignment.
    Resolved(u32),
    /// Nothing is left to do for a message whose accept record lies in this segment, and has so many octets.
    Done(u64, u32),
    /// Nothing that the state doesn't know already.
    Other,
    /// A new message whose client was refused: should the frame be on the disk all the same, it must not count.
    Refused,
}

/// What the state must know of a new message.
pub(crate) struct NewMessage {
    pub(crate) facts: Facts,
    pub(crate) hot: Option<Box<Hot>>,
    /// Who waits for it; reports have nobody.
    pub(crate) answer: Option<Answer>,
}

/// One frame in the buffer.
pub(crate) struct Note {
    pub(crate) message: MessageId,
    pub(crate) length: usize,
    pub(crate) meaning: Meaning,
}

/// The batch that is being gathered.
#[derive(Default)]
pub(crate) struct Gather {
    pub(crate) buffer: Vec<u8>,
    pub(crate) notes: Vec<Note>,
    /// Whether somebody waits: then the commit doesn't.
    pub(crate) urgent: bool,
    /// How many clients wait.
    pub(crate) company: usize,
    /// The committer waits until it are so many: those who come before needn't wake it.
    pub(crate) wanted: usize,
    /// Folders in which names must be durable before the frames are.
    pub(crate) named: Vec<Arc<Folder>>,
    /// Contents that nobody needs once the frames are durable; until then they keep their folder.
    pub(crate) trash: Vec<(Arc<Folder>, MessageId)>,
    /// Segments whose rest was copied into this batch or those before; whether that was all of it.
    pub(crate) marks: Vec<(u64, bool)>,
    /// Nothing more is taken.
    pub(crate) closed: bool,
    /// The committer waits without limit: whoever adds something must wake it.
    pub(crate) asleep: bool,
    /// Those who wait until everything before them is durable.
    pub(crate) waiting: Vec<oneshot::Sender<Result<(), Refused>>>,
}

impl Gather {
    /// Adds a frame.
    pub(crate) fn add(&mut self, message: MessageId, record: &Record<'_>, meaning: Meaning) {
        let length = append(&mut self.buffer, message, record);
        self.notes.push(Note {
            message,
            length,
            meaning,
        });
    }

    /// Adds a frame that exists already.
    pub(crate) fn add_raw(&mut self, message: MessageId, frame: &[u8], meaning: Meaning) {
        self.buffer.extend_from_slice(frame);
        self.notes.push(Note {
            message,
            length: frame.len(),
            meaning,
        });
    }

    /// Adds frames that were made elsewhere.
    pub(crate) fn append(&mut self, frames: Self) {
        self.buffer.extend_from_slice(&frames.buffer);
        self.notes.extend(frames.notes);
        for folder in &frames.named {
            self.name_in(folder);
        }
    }

    /// A name in a folder must be durable before the frames are.
    pub(crate) fn name_in(&mut self, folder: &Arc<Folder>) {
        if !self.named.iter().any(|known| Arc::ptr_eq(known, folder)) {
            self.named.push(Arc::clone(folder));
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.waiting.is_empty() && self.marks.is_empty()
    }

    /// Puts what must not be lost of a failed batch in front again. New messages with somebody waiting were refused: should they
    /// be on the disk all the same, a done record sees to it that they don't come back.
    pub(crate) fn put_back(&mut self, failed: Self) {
        let later = std::mem::take(&mut self.buffer);
        let later_notes = std::mem::take(&mut self.notes);
        let mut rest = failed.buffer.as_slice();
        for note in failed.notes {
            let (frame, after) = rest.split_at(note.length.min(rest.len()));
            rest = after;
            match note.meaning {
                Meaning::Refused => self.add(note.message, &Record::Done, Meaning::Other),
                meaning => self.add_raw(note.message, frame, meaning),
            }
        }
        self.buffer.extend_from_slice(&later);
        self.notes.extend(later_notes);
        for folder in &failed.named {
            self.name_in(folder);
        }
        self.trash.extend(failed.trash);
        self.marks.extend(failed.marks);
    }
}
