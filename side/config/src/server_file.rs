//! The server's own file: only what it needs to start. Everything else is objects of the organisation.
//!
//! Guards: paths in it start at its folder, so that it means the same wherever the server is started from.

use crate::{LdapFile, LdapTable};
use bridgehead_directory::{
    Fault, Fields, Key, Name, Report, Schema, choice, object, read_document,
};
use std::fs;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

choice! {
    /// Where the server's directory is.
    DirectoryKind = "\"embedded\" or \"ldap\"" {
        /// In a file of its own in the data directory.
        #[default]
        Embedded = "embedded",
        /// There, and in Active Directory or another LDAP directory, of which a copy is kept: `[ldap]` says where.
        Ldap = "ldap",
    }
}

choice! {
    /// The least important log lines that are written.
    LogLevel = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"" {
        /// What needs somebody now.
        Error = "error",
        /// What may need somebody.
        Warn = "warn",
        /// What happens to mail.
        #[default]
        Info = "info",
        /// How it happens.
        Debug = "debug",
        /// Every step.
        Trace = "trace",
    }
}

choice! {
    /// What log lines look like.
    LogFormat = "\"text\" or \"json\"" {
        /// For people.
        #[default]
        Text = "text",
        /// For programs.
        Json = "json",
    }
}

object! {
    /// The server file as written.
    Written = "server file" {
        /// The server's name: the object of this name in the organisation says what it does.
        name: required Name = "name", "";
        /// The data directory: the embedded directory, mailboxes, certificates. Relative paths start at the folder of
        /// this file.
        data: required PathBuf = "data", "";
        /// The directory of the queue. A fast disk of its own pays.
        queue: optional PathBuf = "queue", "queue in the data directory";
        /// The socket for administration.
        admin_socket: optional PathBuf = "admin-socket", "admin.sock in the data directory";
        /// Where the organisation's directory is.
        directory: optional DirectoryKind = "directory", "embedded";
        /// The least important log lines that are written.
        log_level: optional LogLevel = "log-level", "info";
        /// What log lines look like: text or json.
        log_format: optional LogFormat = "log-format", "text";
    }
}

/// What a server needs to start.
#[derive(Clone, Debug)]
pub struct ServerFile {
    /// The server's name.
    pub name: Name,
    /// The data directory.
    pub data: PathBuf,
    /// The directory of the queue.
    pub queue: PathBuf,
    /// The socket for administration.
    pub admin_socket: PathBuf,
    /// Where the organisation's directory is.
    pub directory: DirectoryKind,
    /// The directory that is followed besides the embedded one; none if that is all.
    pub ldap: Option<LdapFile>,
    /// The least important log lines that are written.
    pub log_level: LogLevel,
    /// What log lines look like.
    pub log_format: LogFormat,
}

impl ServerFile {
    /// Its keys: what the reference is written from.
    pub const KEYS: &'static [Key] = Written::KEYS;

    /// Reads the file at this path.
    ///
    /// # Errors
    /// All its faults, or one without a line if it can't be read.
    pub fn read(path: &Path) -> Result<Self, Vec<Fault>> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| vec![unreadable(&file, &error)])?;
        Self::parse(&text, &file)
    }

    /// Reads a text; `file` names it in faults, and its paths start at the folder `file` is in.
    ///
    /// # Errors
    /// All its faults.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Fault>> {
        let mut report = Report::new(file, text);
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let mut ldap = None;
        let written = read_document(text, &mut report).and_then(|mut document| {
            ldap = read_ldap(&mut document, folder, &mut report);
            let (written, place, _) = Fields::read::<Written>(&document, 1, None, &mut report);
            let follows = written.as_ref()?.directory == Some(DirectoryKind::Ldap);
            if follows && ldap.is_none() {
                let reason = "\"ldap\" needs a table [ldap] that says where the directory is";
                report.fault(place.key("directory"), place.name("directory"), reason);
            } else if !follows && ldap.is_some() {
                let reason = "\"ldap\" is expected where there is a table [ldap]";
                report.fault(place.key("directory"), place.name("directory"), reason);
            }
            written
        });
        report.finish()?;
        // Without a fault there is an object.
        let written = written.ok_or_else(Vec::new)?;
        let data = folder.join(&written.data);
        let within = |path: Option<PathBuf>, default: &str| match path {
            Some(path) => folder.join(path),
            None => data.join(default),
        };
        Ok(Self {
            queue: within(written.queue, "queue"),
            admin_socket: within(written.admin_socket, "admin.sock"),
            name: written.name,
            directory: written.directory.unwrap_or_default(),
            ldap,
            log_level: written.log_level.unwrap_or_default(),
            log_format: written.log_format.unwrap_or_default(),
            data,
        })
    }
}

/// Takes the table `[ldap]` out and reads it.
fn read_ldap(document: &mut DeTable<'_>, folder: &Path, report: &mut Report) -> Option<LdapFile> {
    let (key, value) = document.remove_entry(LdapTable::KIND)?;
    let line = report.line(key.span().start);
    let Some(table) = value.get_ref().as_table() else {
        report.fault(line, LdapTable::KIND, "a table [ldap] is expected");
        return None;
    };
    let (written, place, _) = Fields::read::<LdapTable>(table, line, None, report);
    written.map(|written| LdapFile::new(written, folder, &place, report))
}

/// The fault of a file that can't be read.
pub(crate) fn unreadable(file: &str, error: &std::io::Error) -> Fault {
    Fault {
        file: file.to_owned(),
        line: 0,
        key: String::new(),
        reason: format!("can't be read: {error}"),
    }
}
