//! Checks files before anybody relies on them: server files, organisation files, and that they fit each other.

use crate::room::DIRECTORY;
use crate::server_file::unreadable;
use crate::{ServerFile, settings};
use bridgehead_directory::{
    Fault, Organisation, Report, Snapshot, parse_organisation, read_document, reference,
};
use std::fs;
use std::path::{Path, PathBuf};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What must be mended.
    pub faults: Vec<Fault>,
    /// What can be lived with.
    pub warnings: Vec<Fault>,
}

/// Checks the files at these paths; what each is shows in what is in it.
#[must_use]
pub fn check(paths: &[PathBuf]) -> Checked {
    let mut unread = Vec::new();
    let mut texts = Vec::new();
    for path in paths {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => texts.push((file, text)),
            Err(error) => unread.push(unreadable(&file, &error)),
        }
    }
    let texts: Vec<(&str, &str)> = texts
        .iter()
        .map(|(file, text)| (&**file, &**text))
        .collect();
    let mut checked = check_texts(&texts);
    checked.faults.extend(unread);
    checked
}

/// Checks texts, each with the name of its file.
#[must_use]
pub fn check_texts(texts: &[(&str, &str)]) -> Checked {
    let mut checked = Checked::default();
    let mut servers = Vec::new();
    let mut organisations = Vec::new();
    for (file, text) in texts {
        if is_organisation(text) {
            match parse_organisation(text, file) {
                Ok((organisation, warnings)) => {
                    checked.warnings.extend(warnings);
                    organisations.push((*file, organisation));
                }
                Err(faults) => checked.faults.extend(faults),
            }
        } else {
            match ServerFile::parse(text, file) {
                Ok(server) => servers.push((*file, server)),
                Err(faults) => checked.faults.extend(faults),
            }
        }
    }
    for (file, organisation) in organisations {
        fits(file, organisation, &servers, &mut checked);
    }
    checked
}

/// Whether a text has any table of an organisation. A text that isn't TOML is said to be one: that both kinds of
/// files must be.
fn is_organisation(text: &str) -> bool {
    let mut report = Report::new("", text);
    let Some(document) = read_document(text, &mut report) else {
        return true;
    };
    let mut keys = document.iter().map(|(key, _)| key.get_ref());
    keys.any(|key| reference().iter().any(|(kind, ..)| key == kind))
}

/// What of an organisation can't be in force on a server, though no object shows it: texts of reports with faults. Nothing
/// where the organisation itself has faults: they are the directory's to tell.
#[must_use]
pub fn check_report_texts(text: &str, file: &str, server: &str, data: &Path) -> Vec<Fault> {
    if !text.contains("report-") {
        return Vec::new();
    }
    match parse_organisation(text, file) {
        Ok((organisation, _)) => {
            let snapshot = Snapshot::build(1, organisation);
            let made = settings(&snapshot, server, data);
            let faults = made.map(|made| made.faults).unwrap_or_default();
            let placed = faults.into_iter().map(|fault| placed(fault, file));
            placed.collect()
        }
        Err(_) => Vec::new(),
    }
}

fn faults_of(snapshot: &Snapshot, server: &str, data: &Path, file: &str) -> Vec<Fault> {
    let faults = match settings(snapshot, server, data) {
        Ok(made) => made.faults,
        Err(faults) => faults,
    };
    faults
        .into_iter()
        .map(|fault| placed(fault, file))
        .collect()
}

/// A fault that is of no file is of this one.
fn placed(mut fault: Fault, file: &str) -> Fault {
    if fault.file == DIRECTORY {
        file.clone_into(&mut fault.file);
    }
    fault
}

/// Whether settings can be made for each server, and each server file has its server.
fn fits(
    file: &str,
    organisation: Organisation,
    servers: &[(&str, ServerFile)],
    checked: &mut Checked,
) {
    let snapshot = Snapshot::build(1, organisation);
    for server in &snapshot.configuration().servers {
        let name = server.name.folded();
        let mut files = servers.iter().map(|(_, server)| server);
        let own = files.find(|own| own.name.folded() == name);
        let data = own.map_or(Path::new(""), |own| &own.data);
        checked
            .faults
            .extend(faults_of(&snapshot, &name, data, file));
    }
    for (server_file, server) in servers {
        let name = server.name.folded();
        let mut known = snapshot.configuration().servers.iter();
        if !known.any(|known| known.name.folded() == name) {
            checked.faults.push(Fault {
                file: (*server_file).to_owned(),
                line: 0,
                key: "server file: name".to_owned(),
                reason: format!("{file} has no server \"{}\"", server.name),
            });
        }
    }
}
