//! The folders in which segments and contents lie: the home of the spool, and others that an operator chose since.
//!
//! Guards: which folders there are is durable before anything is written to a new one, and until nothing is left in an old one. A
//! folder is known by a mark inside it, so that a disk that isn't mounted is never taken for an empty spool. Refuses: a folder with
//! somebody else's spool in it, and a start while one of its folders isn't there.

use crate::control::Adoption;
use crate::error::OpenError;
use crate::segment::sequence_of;
use crate::small_file::{FolderFault, failed, read, replace};
use bridgehead_disk::{Disk, Lock};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The list of the other folders, in the home.
pub(crate) const NAME: &str = "folders";
/// What marks another folder as one of this spool.
pub(crate) const MARK: &str = "folder";
pub(crate) const LOCK: &str = "lock";
const TITLE: &str = "BHFOLDERS 1";
const END: &str = "end";
const FOLDERS_MAX: usize = 64;

/// A folder of the spool. Who refers to it has something in it.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// None for the home.
    mark: Option<u128>,
    /// Other servers keep out. The home's is held by the queue.
    _lock: Option<Box<dyn Lock>>,
}

/// The folders of one spool. What is new goes to the present one; the others are being emptied.
#[derive(Clone)]
pub(crate) struct Folders {
    home: Arc<Folder>,
    others: Vec<Arc<Folder>>,
    present: Arc<Folder>,
}

impl Folder {
    /// The file of a content in it.
    pub(crate) fn content(&self, id: bridgehead_mail::MessageId) -> PathBuf {
        self.path.join(format!("{id}.content"))
    }

    pub(crate) fn is_home(&self) -> bool {
        self.mark.is_none()
    }
}

impl Folders {
    /// The folders of the spool whose home this is; their locks are taken.
    pub(crate) fn open(disk: &dyn Disk, home: &Path) -> Result<Self, OpenError> {
        let mut others = Vec::new();
        let home = Arc::new(Folder {
            path: home.to_owned(),
            mark: None,
            _lock: None,
        });
        let mut present = Arc::clone(&home);
        let listed = list(disk, &home.path)?;
        let is_listed = listed.is_some();
        for listed in listed.unwrap_or_default() {
            let lock = check_mark(disk, &home.path, &listed)?;
            let folder = Arc::new(Folder {
                path: listed.path,
                mark: Some(listed.mark),
                _lock: Some(lock),
            });
            if listed.present {
                present = Arc::clone(&folder);
            }
            others.push(folder);
        }
        let folders = Self {
            home,
            others,
            present,
        };
        if is_listed {
            // What was read may be in memory only, if the process ended in the middle of a change.
            folders.save(disk).map_err(|fault| OpenError::Folder {
                path: folders.home.path.join(NAME),
                why: fault.to_string(),
            })?;
        }
        Ok(folders)
    }

    /// Where new mail goes.
    pub(crate) const fn present(&self) -> &Arc<Folder> {
        &self.present
    }

    /// Those that are being emptied, but for the home while nothing lies elsewhere.
    pub(crate) fn left(&self) -> Vec<Arc<Folder>> {
        let all = self.all().into_iter();
        all.filter(|folder| folder.path != self.present.path)
            .collect()
    }

    /// All of them, the home first.
    pub(crate) fn all(&self) -> Vec<Arc<Folder>> {
        let home = std::iter::once(&self.home);
        home.chain(&self.others).cloned().collect()
    }

    /// Whether a file lies in a folder that is being emptied.
    pub(crate) fn is_left(&self, file: &Path) -> bool {
        file.parent() != Some(&*self.present.path)
    }

    /// With new mail going to a folder from now on, which is made if need be; none if it is so already. Nothing is in force before
    /// [`Self::save`].
    pub(crate) fn turned_to(
        &self,
        disk: &dyn Disk,
        path: &Path,
        mark: u128,
    ) -> Result<Option<Self>, FolderFault> {
        if path == self.present.path {
            return Ok(None);
        }
        let mut folders = self.clone();
        let known = self.all().into_iter().find(|folder| folder.path == *path);
        folders.present = match known {
            Some(known) => known,
            None => {
                let new = Arc::new(make(disk, path, &self.home.path, mark)?);
                folders.others.push(Arc::clone(&new));
                new
            }
        };
        if folders.others.len() > FOLDERS_MAX {
            let why = format!("the spool has {FOLDERS_MAX} folders that aren't empty yet");
            let path = path.to_owned();
            return Err(FolderFault::Foreign { path, why });
        }
        Ok(Some(folders))
    }

    /// Without a folder in which nothing is left.
    pub(crate) fn without(&self, gone: &Folder) -> Self {
        let mut folders = self.clone();
        folders.others.retain(|folder| folder.path != gone.path);
        folders
    }

    /// Makes the list durable.
    pub(crate) fn save(&self, disk: &dyn Disk) -> Result<(), FolderFault> {
        let mut text = format!("{TITLE}\n");
        for folder in &self.others {
            let word = match folder.path == self.present.path {
                true => "present",
                false => "left",
            };
            let mark = folder.mark.unwrap_or_default();
            text += &format!("{mark:032x} {word} {}\n", folder.path.display());
        }
        text += &format!("{END}\n");
        replace(disk, &self.home.path, NAME, text.as_bytes())
    }
}

/// Takes the marks of a folder away, in which nothing is left.
pub(crate) fn unmark(disk: &dyn Disk, folder: &Folder) {
    for name in [MARK, LOCK] {
        let path = folder.path.join(name);
        if let Err(error) = disk.remove(&path) {
            tracing::warn!(%error, path = %path.display(), "the mark of an old folder can't be removed");
        }
    }
}

/// Who takes over a spool, or has taken it over.
pub(crate) struct Mark {
    /// The number of the adoption.
    pub(crate) number: u128,
    /// The spool into which it goes: a number of its own, then its home.
    pub(crate) by: String,
    pub(crate) finished: bool,
}

const ADOPTING: &str = "adopting";
const ADOPTED: &str = "adopted";
const ADOPTION_TITLE: &str = "BHADOPTION 1";
/// Tells spools of the same path on different machines apart.
const IDENTITY: &str = "identity";

impl Mark {
    /// The adoption, as messages remember it.
    pub(crate) fn adoption(&self, home: &Path) -> Adoption {
        Adoption {
            number: self.number,
            home: home.display().to_string().into(),
        }
    }
}

/// Who takes over this spool, if somebody does.
pub(crate) fn read_mark(disk: &dyn Disk, home: &Path) -> io::Result<Option<Mark>> {
    for (name, finished) in [(ADOPTED, true), (ADOPTING, false)] {
        let octets = match read(disk, &home.join(name)) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&octets);
        let parsed = text.strip_prefix(ADOPTION_TITLE).and_then(|rest| {
            let (number, by) = rest.trim().split_once(' ')?;
            Some((u128::from_str_radix(number, 16).ok()?, by.to_owned()))
        });
        let unknown = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{name} isn't understood"),
            )
        };
        let (number, by) = parsed.ok_or_else(unknown)?;
        let mark = Mark {
            number,
            by,
            finished,
        };
        return Ok(Some(mark));
    }
    Ok(None)
}

/// Marks a spool as being taken over; durable when this returns.
pub(crate) fn write_mark(disk: &dyn Disk, home: &Path, mark: &Mark) -> Result<(), FolderFault> {
    let text = format!("{ADOPTION_TITLE} {:032x} {}\n", mark.number, mark.by);
    replace(disk, home, ADOPTING, text.as_bytes())
}

/// A spool is taken over; durable when this returns.
pub(crate) fn finish_mark(disk: &dyn Disk, home: &Path) -> io::Result<()> {
    disk.rename(&home.join(ADOPTING), &home.join(ADOPTED))?;
    disk.sync_dir(home)
}

/// What tells this spool from all others, made if need be.
pub(crate) fn identity(disk: &dyn Disk, home: &Path, fresh: u128) -> Result<String, FolderFault> {
    let path = home.join(IDENTITY);
    let known = match read(disk, &path) {
        Ok(octets) => String::from_utf8_lossy(&octets).trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let number = match known.is_empty() {
        true => format!("{fresh:032x}"),
        false => known,
    };
    // Also one that was read: it may be in memory only.
    replace(disk, home, IDENTITY, format!("{number}\n").as_bytes())?;
    Ok(format!("{number} {}", home.display()))
}

/// A line of the list.
pub(crate) struct Listed {
    mark: u128,
    present: bool,
    pub(crate) path: PathBuf,
}

/// The other folders, as the list in the home names them; none if there is no list.
pub(crate) fn list(disk: &dyn Disk, home: &Path) -> Result<Option<Vec<Listed>>, OpenError> {
    let path = home.join(NAME);
    let octets = match read(disk, &path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(OpenError::Disk {
                doing: "read",
                path,
                source,
            });
        }
    };
    parse(&octets).map(Some).ok_or_else(|| OpenError::Folder {
        why: "it isn't a list of folders that this server understands".to_owned(),
        path,
    })
}

fn parse(octets: &[u8]) -> Option<Vec<Listed>> {
    let text = std::str::from_utf8(octets).ok()?;
    let mut lines = text.lines();
    (lines.next() == Some(TITLE)).then_some(())?;
    let mut listed = Vec::new();
    loop {
        let line = lines.next()?;
        if line == END {
            return Some(listed);
        }
        let (mark, rest) = line.split_once(' ')?;
        let (word, path) = rest.split_once(' ')?;
        listed.push(Listed {
            mark: u128::from_str_radix(mark, 16).ok()?,
            present: match word {
                "present" => true,
                "left" => false,
                _ => return None,
            },
            path: PathBuf::from(path),
        });
    }
}

/// The mark of a folder: what it is and whose.
fn mark_text(mark: u128, home: &Path) -> String {
    format!("{mark:032x} a folder of the spool {}\n", home.display())
}

/// The number in a mark, if it is one of the spool with this home.
fn own_mark(octets: &[u8], home: &Path) -> Option<u128> {
    let text = std::str::from_utf8(octets).ok()?;
    let mark = u128::from_str_radix(text.split_once(' ')?.0, 16).ok()?;
    (text == mark_text(mark, home)).then_some(mark)
}

/// Looks whether a folder is the one that was listed, and locks it.
fn check_mark(disk: &dyn Disk, home: &Path, listed: &Listed) -> Result<Box<dyn Lock>, OpenError> {
    let fault = |why: String| OpenError::Folder {
        path: listed.path.clone(),
        why: format!(
            "{why}. Is its disk mounted? If it is lost for good, take its line out of {}: what only lay there is lost then, and \
             what ended there may come again",
            home.join(NAME).display()
        ),
    };
    let found = read(disk, &listed.path.join(MARK));
    let found =
        found.map_err(|error| fault(format!("a folder of the spool can't be read: {error}")))?;
    let wanted = format!("{:032x} ", listed.mark);
    if !found.starts_with(wanted.as_bytes()) {
        return Err(fault("it isn't the folder that the spool knows".to_owned()));
    }
    lock(disk, &listed.path)
}

fn lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn Lock>, OpenError> {
    let path = directory.join(LOCK);
    disk.lock(&path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse {
            directory: directory.to_owned(),
        },
        _ => OpenError::Disk {
            doing: "lock",
            path,
            source,
        },
    })
}

/// Makes a folder ready for segments and contents.
fn make(disk: &dyn Disk, path: &Path, home: &Path, mark: u128) -> Result<Folder, FolderFault> {
    let foreign = |why: &str| FolderFault::Foreign {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    if !path.is_absolute() || path.to_str().is_none_or(|text| text.contains(['\n', '\r'])) {
        return Err(foreign(
            "its name can't be kept: it must be absolute, in UTF-8, on one line",
        ));
    }
    disk.create_dir(path).map_err(failed("make", path))?;
    let entries = disk.list(path).map_err(failed("list", path))?;
    let of_a_spool = |name: &str| {
        sequence_of(name).is_some()
            || name.ends_with(".content")
            || name == NAME
            || name == "steering"
    };
    if entries.iter().any(|entry| of_a_spool(&entry.name)) {
        return Err(foreign(
            "another spool lies in it (bridgehead queue adopt takes one over)",
        ));
    }
    let lock = lock(disk, path).map_err(|error| foreign(&error.to_string()))?;
    // One that an earlier try has left stays as it is: the list on the disk may name it.
    let mark = match read(disk, &path.join(MARK)) {
        Ok(octets) => {
            own_mark(&octets, home).ok_or_else(|| foreign("it is a folder of another spool"))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => mark,
        Err(error) => return Err(failed("read the mark in", path)(error)),
    };
    replace(disk, path, MARK, mark_text(mark, home).as_bytes())?;
    Ok(Folder {
        path: path.to_owned(),
        mark: Some(mark),
        _lock: Some(lock),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_whole_or_not_understood() {
        let text =
            "BHFOLDERS 1\n000000000000000000000000000000ff present /mnt/a b\n0001 left /old\nend\n";
        let listed = parse(text.as_bytes()).unwrap();
        let paths: Vec<_> = listed
            .iter()
            .map(|one| (one.mark, one.present, one.path.to_str().unwrap()))
            .collect();
        assert_eq!(paths, [(255, true, "/mnt/a b"), (1, false, "/old")]);
        for cut in 0..text.len() - 1 {
            assert!(parse(&text.as_bytes()[..cut]).is_none(), "{cut}");
        }
        assert!(parse(b"BHFOLDERS 2\nend\n").is_none());
        assert!(parse(b"BHFOLDERS 1\nxyz present /a\nend\n").is_none());
        assert!(parse(b"BHFOLDERS 1\n01 gone /a\nend\n").is_none());
        assert_eq!(parse(b"BHFOLDERS 1\nend\n").unwrap().len(), 0);
    }
}
