//! Which messages are in somebody's hands, in a small file, so that a start knows what was being worked on when the process
//! was aborted.
//!
//! Guards: it never stands in the way of mail: what can't be written here isn't. It isn't synced, because the end of a process
//! leaves what was written, and the end of the power is no message's fault. A slot isn't cleared when its message leaves it: a
//! message that was worked on to its end is no suspect any more, whatever a slot says.

use bridgehead_disk::{Disk, DiskFile};
use bridgehead_mail::MessageId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;

const NAME: &str = "in-hand";
/// Suspects of before, with how often each was in hand when the process was aborted.
const SUSPECTS: &str = "suspects";
/// Something is written to it while the process is being aborted.
pub(crate) const ABORTED: &str = "aborted";
/// Octets of a slot: the id.
const SLOT: usize = 16;
/// Octets of a suspect: the id and a number.
const SUSPECT: usize = 20;
/// More are never in hand at once.
const SLOTS_MAX: usize = 65_536;

/// The file of what is in hand.
pub(crate) struct InHand {
    file: Option<Box<dyn DiskFile>>,
    slots: Mutex<Slots>,
    suspects: Option<Box<dyn DiskFile>>,
}

#[derive(Default)]
struct Slots {
    free: Vec<u32>,
    next: u32,
}

/// How often messages were in hand when the process was aborted.
pub(crate) type Suspects = BTreeMap<MessageId, u32>;

impl InHand {
    /// Reads what was in hand, and begins anew. What was in hand counts only if the process was aborted.
    pub(crate) fn open(disk: &dyn Disk, home: &Path) -> (Self, Suspects) {
        let looked = |name: &str| {
            let file = open(disk, &home.join(name));
            let file = file.map_err(|error| {
                tracing::warn!(%error, name, "what is in hand can't be noted");
            });
            file.ok()
        };
        let (file, suspects) = (looked(NAME), looked(SUSPECTS));
        let mut known = Suspects::new();
        for piece in pieces::<SUSPECT>(suspects.as_deref()) {
            let (id, number) = piece.split_at(SLOT);
            let number = <[u8; 4]>::try_from(number).map_or(0, u32::from_le_bytes);
            known.extend(id_of(id).map(|id| (id, number)));
        }
        if was_aborted(disk, &home.join(ABORTED)) {
            for slot in pieces::<SLOT>(file.as_deref()) {
                if let Some(id) = id_of(&slot) {
                    *known.entry(id).or_default() += 1;
                }
            }
        }
        // Before the marks of the abort go: a start that is aborted itself counts them again.
        let this = Self {
            file,
            slots: Mutex::default(),
            suspects,
        };
        this.note_suspects(&known);
        let begun = this.file.as_ref().map(|file| file.truncate(0));
        if let Some(Err(error)) = begun {
            tracing::warn!(%error, "what is in hand can't be noted");
        }
        let _ = disk.remove(&home.join(ABORTED));
        (this, known)
    }

    /// A message is in hand from now on; gives the slot for it.
    pub(crate) fn take(&self, id: MessageId) -> Option<u32> {
        let file = self.file.as_ref()?;
        let slot = {
            let mut slots = self.slots.lock();
            slots.free.pop().unwrap_or_else(|| {
                let next = slots.next;
                slots.next = next.saturating_add(1);
                next
            })
        };
        let at = u64::from(slot).saturating_mul(SLOT as u64);
        // If it can't be written, mail goes on without.
        let _ = file.write_at(at, &[IoSlice::new(&id.as_u128().to_le_bytes())]);
        Some(slot)
    }

    /// The message of a slot is in nobody's hands any more.
    pub(crate) fn give_back(&self, slot: Option<u32>) {
        self.slots.lock().free.extend(slot);
    }

    /// Writes down who is a suspect.
    pub(crate) fn note_suspects(&self, suspects: &Suspects) {
        let Some(file) = &self.suspects else {
            return;
        };
        let mut octets = Vec::with_capacity(suspects.len() * SUSPECT);
        for (id, number) in suspects {
            octets.extend_from_slice(&id.as_u128().to_le_bytes());
            octets.extend_from_slice(&number.to_le_bytes());
        }
        let written = file
            .truncate(0)
            .and_then(|()| file.write_at(0, &[IoSlice::new(&octets)]));
        if let Err(error) = written {
            tracing::warn!(%error, "suspects can't be noted");
        }
    }
}

fn open(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn DiskFile>> {
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path),
        opened => opened,
    }
}

/// Whether something was written to the file of that name.
fn was_aborted(disk: &dyn Disk, path: &Path) -> bool {
    let length = disk.open(path).and_then(|file| file.length());
    length.is_ok_and(|length| length > 0)
}

/// The file's whole pieces of so many octets.
fn pieces<const OCTETS: usize>(file: Option<&dyn DiskFile>) -> Vec<[u8; OCTETS]> {
    let mut octets = vec![0; OCTETS * SLOTS_MAX];
    let read = file.map_or(Ok(0), |file| {
        let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
        octets.truncate(length);
        file.read_at(0, &mut octets)
    });
    octets.truncate(read.unwrap_or(0));
    let (whole, _) = octets.as_chunks::<OCTETS>();
    whole.to_vec()
}

fn id_of(octets: &[u8]) -> Option<MessageId> {
    let number = u128::from_le_bytes(octets.try_into().ok()?);
    (number != 0).then(|| MessageId::from_u128(number))
}
