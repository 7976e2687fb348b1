//! The operator's own texts of delivery reports: a folder with one folder for each language.
//!
//! Guards: what is read is bounded; a faulty text leaves the one before it. May refuse: nothing; each fault is told with file,
//! line and key.

use bridgehead_directory::Fault;
use bridgehead_transport::settings::{TEXT_OCTETS_MAX, TextFault, Texts};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 1000;

/// The built-in texts with those of this folder in their place, and what is wrong with them.
#[must_use]
pub fn read_report_texts(folder: &Path) -> (Texts, Vec<Fault>) {
    let mut texts = Texts::built_in();
    let mut faults = Vec::new();
    let languages = match entries(folder) {
        Ok(languages) => languages,
        Err(error) => {
            faults.push(unread(folder, &error));
            Vec::new()
        }
    };
    for language in languages.iter().filter(|entry| entry.is_dir()) {
        match entries(language) {
            Ok(files) => {
                let files = files.iter().filter(|file| is_text(file));
                for file in files {
                    take(&mut texts, language, file, &mut faults);
                }
            }
            Err(error) => faults.push(unread(language, &error)),
        }
    }
    (texts, faults)
}

fn take(texts: &mut Texts, language: &Path, file: &Path, faults: &mut Vec<Fault>) {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => return faults.push(unread(file, &error)),
    };
    if let Err(found) = texts.take(&name(language), &name(file), &text) {
        faults.extend(found.into_iter().map(|one| fault(file, one)));
    }
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        found.push(entry?.path());
    }
    found.sort();
    Ok(found)
}

/// Editors leave other files; only these are meant.
fn is_text(file: &Path) -> bool {
    let hidden = name(file).starts_with('.');
    !hidden && file.extension().is_some_and(|ending| ending == "txt")
}

/// The text of a file. One octet more than may be is read, so that it is refused.
fn read(file: &Path) -> io::Result<String> {
    let most = u64::try_from(TEXT_OCTETS_MAX + 1).unwrap_or(u64::MAX);
    let mut octets = Vec::new();
    fs::File::open(file)?.take(most).read_to_end(&mut octets)?;
    String::from_utf8(octets).map_err(|_| io::Error::other("it isn't UTF-8"))
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn unread(path: &Path, error: &io::Error) -> Fault {
    let reason = format!("can't be read: {error}");
    fault(
        path,
        TextFault {
            line: 0,
            key: String::new(),
            reason,
        },
    )
}

fn fault(file: &Path, TextFault { line, key, reason }: TextFault) -> Fault {
    Fault {
        file: file.display().to_string(),
        line,
        key,
        reason,
    }
}
