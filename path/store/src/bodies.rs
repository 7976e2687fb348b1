//! Bodies: written once for all mailboxes of a delivery, small ones into shared files, large ones into one each.
//!
//! Guards: after a failed sync nothing is written until the store is opened again.

use crate::error::StoreError;
use crate::index::BodyPlace;
use crate::settings::Settings;
use bridgehead_disk::{Disk, DiskFile};
use bridgehead_mail::{Content, MessageId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

const WINDOW: usize = 256 * 1024;

/// The files of bodies.
pub(crate) struct Bodies {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file_octets: u64,
    shared: Mutex<SharedFiles>,
}

struct SharedFiles {
    open: HashMap<u64, Arc<dyn DiskFile>>,
    /// The file that grows, and where it ends.
    current: u64,
    end: u64,
    /// Names were made, by this process or one before it, that no sync has covered yet.
    new_names: bool,
    stopped: Option<String>,
}

impl Bodies {
    /// Opens the bodies. What lies behind the end that the index knows was never delivered, and is cut.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        settings: &Settings,
        (current, end): (u64, u64),
    ) -> Result<Self, StoreError> {
        let bodies = Self {
            disk,
            directory: settings.directory.clone(),
            file_octets: settings.body_file_octets,
            shared: Mutex::new(SharedFiles {
                open: HashMap::new(),
                current,
                end,
                // A process that was killed may have left some; so may the making of the index.
                new_names: true,
                stopped: None,
            }),
        };
        let path = bodies.shared_path(current);
        match bodies.disk.open(&path) {
            Ok(file) => {
                let length = file
                    .length()
                    .map_err(|e| disk_error("measure", &path, &e))?;
                if length > end {
                    tracing::warn!(path = %path.display(), octets = length - end, "a torn tail of bodies was cut");
                    file.truncate(end)
                        .map_err(|e| disk_error("cut", &path, &e))?;
                }
                bodies.shared.lock().open.insert(current, Arc::from(file));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && end == 0 => {}
            Err(error) => return Err(disk_error("open", &path, &error)),
        }
        Ok(bodies)
    }

    fn shared_path(&self, file: u64) -> PathBuf {
        self.directory.join(format!("bodies-{file:016x}.log"))
    }

    fn own_path(&self, id: MessageId) -> PathBuf {
        self.directory.join(format!("{id}.body"))
    }

    /// Puts a large body into a file of its own: linked if the content is a file on the same file system, else copied. Its
    /// octets are durable after this, its name after [`Self::commit`]. Returns its checksum.
    pub(crate) fn put_own(&self, id: MessageId, content: &dyn Content) -> Result<u32, StoreError> {
        let path = self.own_path(id);
        if self.has_own(&path, content)? {
            return checksum(content, &path);
        }
        if let Some(from) = content.file() {
            match self.disk.link(from, &path) {
                Ok(()) => return checksum(content, &path),
                Err(error) => tracing::debug!(%error, "a body can't be linked and is copied"),
            }
        }
        let copied = self.copy(content, &path);
        if copied.is_err() {
            // Else the next delivery would find it, and believe what is in memory only.
            let _ = self.disk.remove(&path);
        }
        copied
    }

    /// Whether the body is there already, as after a crash between two deliveries of one message, and then makes it durable: the
    /// process may have been killed before it did. A torn copy is removed.
    fn has_own(&self, path: &std::path::Path, content: &dyn Content) -> Result<bool, StoreError> {
        let file = match self.disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(disk_error("open", path, &error)),
        };
        let file: Arc<dyn DiskFile> = Arc::from(file);
        let there = Body {
            file: Arc::clone(&file),
            offset: 0,
            size: content.size(),
        };
        let same = checksum(&there, path).ok() == Some(checksum(content, path)?);
        if same {
            file.sync_data().map_err(|e| self.stop(path, &e))?;
        } else {
            self.disk
                .remove(path)
                .map_err(|e| disk_error("remove", path, &e))?;
        }
        Ok(same)
    }

    /// A sync failed: nothing more is written until the store is opened again.
    fn stop(&self, path: &std::path::Path, error: &io::Error) -> StoreError {
        let why = format!("{}: {error}", path.display());
        self.shared.lock().stopped = Some(why.clone());
        StoreError::Stopped(why)
    }

    fn copy(&self, content: &dyn Content, path: &std::path::Path) -> Result<u32, StoreError> {
        let file = self.write_copy(content, path);
        let (file, sum) = file.map_err(|e| disk_error("write", path, &e))?;
        file.sync_data().map_err(|e| self.stop(path, &e))?;
        Ok(sum)
    }

    fn write_copy(
        &self,
        content: &dyn Content,
        path: &std::path::Path,
    ) -> io::Result<(Box<dyn DiskFile>, u32)> {
        let file = self.disk.create(path)?;
        let mut window = vec![0; WINDOW];
        let mut at = 0;
        let mut sum = 0;
        loop {
            let count = content.read_at(at, &mut window)?;
            let piece = window.get(..count).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            file.write_at(at, &[IoSlice::new(piece)])?;
            sum = crc32c::crc32c_append(sum, piece);
            at += count as u64;
        }
        Ok((file, sum))
    }

    /// Appends small bodies and makes them durable in one sync, and names of own files in another if there are new ones. Returns
    /// where each lies, and where the bodies end now.
    pub(crate) fn commit(
        &self,
        bodies: &[&[u8]],
        new_names: bool,
    ) -> Result<(Vec<BodyPlace>, (u64, u64)), StoreError> {
        let mut shared = self.shared.lock();
        if let Some(why) = &shared.stopped {
            return Err(StoreError::Stopped(why.clone()));
        }
        // Kept until a sync succeeds, also if this batch fails before it comes to that.
        shared.new_names |= new_names;
        let total: u64 = bodies.iter().map(|body| body.len() as u64).sum();
        let mut places = Vec::with_capacity(bodies.len());
        if total > 0 {
            let file = self.current(&mut shared, total)?;
            let mut offset = shared.end;
            let pieces: Vec<IoSlice<'_>> = bodies.iter().map(|body| IoSlice::new(body)).collect();
            let path = self.shared_path(shared.current);
            for part in pieces.chunks(512) {
                let length: usize = part.iter().map(|piece| piece.len()).sum();
                file.write_at(offset, part)
                    .map_err(|e| disk_error("write", &path, &e))?;
                offset += length as u64;
            }
            if let Err(error) = file.sync_data() {
                let why = format!("{}: {error}", path.display());
                shared.stopped = Some(why.clone());
                return Err(StoreError::Stopped(why));
            }
            let mut at = shared.end;
            for body in bodies {
                places.push(BodyPlace::Shared {
                    file: shared.current,
                    offset: at,
                });
                at += body.len() as u64;
            }
            shared.end = at;
        }
        if shared.new_names {
            if let Err(error) = self.disk.sync_dir(&self.directory) {
                let why = format!("{}: {error}", self.directory.display());
                shared.stopped = Some(why.clone());
                return Err(StoreError::Stopped(why));
            }
            shared.new_names = false;
        }
        // Bodies of no octets lie anywhere.
        let nowhere = BodyPlace::Shared {
            file: shared.current,
            offset: shared.end,
        };
        places.resize(bodies.len(), nowhere);
        Ok((places, (shared.current, shared.end)))
    }

    /// The file that grows; another one where it is full.
    fn current(
        &self,
        shared: &mut SharedFiles,
        octets: u64,
    ) -> Result<Arc<dyn DiskFile>, StoreError> {
        if shared.end > 0 && shared.end + octets > self.file_octets {
            shared.current += 1;
            shared.end = 0;
        }
        if let Some(file) = shared.open.get(&shared.current) {
            return Ok(Arc::clone(file));
        }
        let path = self.shared_path(shared.current);
        let created = self.disk.create(&path).or_else(|error| {
            // Made before a crash, and never used.
            if error.kind() == io::ErrorKind::AlreadyExists {
                self.disk.open(&path)
            } else {
                Err(error)
            }
        });
        let file: Arc<dyn DiskFile> =
            Arc::from(created.map_err(|e| disk_error("make", &path, &e))?);
        shared.open.insert(shared.current, Arc::clone(&file));
        shared.new_names = true;
        Ok(file)
    }

    /// A body to read from.
    pub(crate) fn read(
        &self,
        id: MessageId,
        place: BodyPlace,
        size: u64,
    ) -> Result<Arc<dyn Content>, StoreError> {
        let (path, offset) = match place {
            BodyPlace::Own => (self.own_path(id), 0),
            BodyPlace::Shared { file, offset } => (self.shared_path(file), offset),
        };
        let file = match place {
            BodyPlace::Shared { file, .. } => self.shared.lock().open.get(&file).cloned(),
            BodyPlace::Own => None,
        };
        let file = match file {
            Some(file) => file,
            None if size == 0 => return Ok(Arc::new(Vec::new())),
            None => Arc::from(
                self.disk
                    .open(&path)
                    .map_err(|e| disk_error("open", &path, &e))?,
            ),
        };
        Ok(Arc::new(Body { file, offset, size }))
    }

    /// Octets that may still be written.
    pub(crate) fn free_space(&self) -> u64 {
        self.disk.free_space(&self.directory).unwrap_or(u64::MAX)
    }
}

fn checksum(content: &dyn Content, path: &std::path::Path) -> Result<u32, StoreError> {
    let mut window = vec![0; WINDOW];
    let mut at = 0;
    let mut sum = 0;
    loop {
        let count = content
            .read_at(at, &mut window)
            .map_err(|e| disk_error("read", path, &e))?;
        if count == 0 {
            return Ok(sum);
        }
        sum = crc32c::crc32c_append(sum, window.get(..count).unwrap_or_default());
        at += count as u64;
    }
}

fn disk_error(doing: &'static str, path: &std::path::Path, error: &io::Error) -> StoreError {
    StoreError::Disk {
        doing,
        path: path.to_owned(),
        why: error.to_string(),
    }
}

struct Body {
    file: Arc<dyn DiskFile>,
    offset: u64,
    size: u64,
}

impl Content for Body {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(window) = buffer.get_mut(..count) else {
            return Ok(0);
        };
        match self.file.read_at(self.offset + offset, window)? {
            read if read == count => Ok(count),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
