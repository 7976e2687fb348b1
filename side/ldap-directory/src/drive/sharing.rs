//! The organisation that several servers share, as entries of a directory: read as a whole, written step by step.
//!
//! Guards: an entry changes only from the text that the writer saw: the old values are deleted by name in the same
//! request that adds the new ones, and a server refuses that if one of them isn't there (RFC 4511 §4.6).

use super::connection::Connection;
use super::{LdapDirectory, Root, in_words, root};
use crate::map::{CONFIGURATION, Mapped, SERVICE, lines, map};
use crate::{LdapError, ServerUrl};
use bridgehead_directory::{Later, SharedDirectory, SharedError, Step, StoredPart};
use bridgehead_ldap::{Change, ChangeKind, Filter, Request, Response, Scope, Search};

/// RFC 4511 appendix A.
const REFERRAL: u32 = 10;
const NO_SUCH_ATTRIBUTE: u32 = 16;
const NO_SUCH_OBJECT: u32 = 32;
const INSUFFICIENT_ACCESS: u32 = 50;
const UNWILLING: u32 = 53;
const ALREADY_EXISTS: u32 = 68;

/// How a server keeps texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Our class with the text as one value.
    OwnClass,
    /// Active Directory: a connection point with numbered lines.
    ConnectionPoint,
}

/// A connection to write by.
struct Writer<'a> {
    connection: Connection,
    form: Form,
    base: &'a str,
}

impl SharedDirectory for LdapDirectory {
    fn read(&self) -> Later<'_, Vec<StoredPart>> {
        Box::pin(async move {
            let mut writer = self.writer().await?;
            let read = writer.read().await;
            writer.connection.close().await;
            read.map_err(|error| away(&error))
        })
    }

    fn write<'a>(&'a self, steps: &'a [Step]) -> Later<'a, ()> {
        Box::pin(async move {
            let mut writer = self.writer().await?;
            let mut written = Ok(());
            for step in steps {
                written = writer.step(step).await;
                if written.is_err() {
                    break;
                }
            }
            writer.connection.close().await;
            self.inner.written.notify_waiters();
            written
        })
    }
}

impl LdapDirectory {
    /// A connection to the first server that answers, in the order of the settings: so that all who write write to the same.
    async fn writer(&self) -> Result<Writer<'_>, SharedError> {
        let base = self.inner.settings.configuration_base.as_deref();
        let base = base.ok_or_else(|| {
            SharedError::Refused("no configuration-base is set in [ldap]".to_owned())
        })?;
        let servers = self.servers().await.map_err(|error| away(&error))?;
        let mut last = SharedError::Away("no server of the directory is named".to_owned());
        for server in &servers {
            match self.writer_to(server, base).await {
                Ok(writer) => return Ok(writer),
                Err(error) => last = away(&error),
            }
        }
        Err(last)
    }

    async fn writer_to<'a>(
        &self,
        server: &ServerUrl,
        base: &'a str,
    ) -> Result<Writer<'a>, LdapError> {
        let mut connection = self.connect(server).await?;
        let Root { controller, .. } = root(&mut connection).await?;
        let form = match controller {
            Some(_) => Form::ConnectionPoint,
            None => Form::OwnClass,
        };
        Ok(Writer {
            connection,
            form,
            base,
        })
    }
}

impl Writer<'_> {
    async fn read(&mut self) -> Result<Vec<StoredPart>, LdapError> {
        let filter = Filter::parse(&format!("(|{CONFIGURATION})"));
        let filter = filter.map_err(|error| LdapError::NoServer {
            reason: error.to_string(),
        })?;
        let search = Search {
            base: self.base,
            scope: Scope::Subtree,
            filter: &filter,
            attributes: &[
                "objectClass",
                "bridgeheadText",
                "serviceClassName",
                "serviceBindingInformation",
            ],
        };
        let mut parts = Vec::new();
        let mut cookie = Vec::new();
        loop {
            let page = self.connection.page(&search, &cookie, &[]).await;
            let (entries, next) = match page {
                // The container is made with the first part.
                Err(error) if error.code() == Some(NO_SUCH_OBJECT) => return Ok(parts),
                other => other?,
            };
            for entry in entries {
                if let Mapped::Part(text) = map(&entry, "") {
                    let place = entry.name.into();
                    parts.push(StoredPart { place, text });
                }
            }
            match next {
                Some(next) => cookie = next,
                None => return Ok(parts),
            }
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), SharedError> {
        match step {
            Step::Add { name, text } => self.add(name, text).await,
            Step::Swap {
                place,
                before,
                after,
            } => self.swap(place, before, after).await,
            Step::Remove { place } => {
                let request = Request::Delete { name: place };
                match self.call(&request, "the deletion of an entry").await {
                    Err(error) if error.code() == Some(NO_SUCH_OBJECT) => Ok(()),
                    other => other.map_err(|error| refused(&error)),
                }
            }
        }
    }

    async fn add(&mut self, name: &str, text: &str) -> Result<(), SharedError> {
        let place = format!("cn={name},{}", self.base);
        let values = self.values(text);
        let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        let attributes: Vec<(&str, Vec<&[u8]>)> = match self.form {
            Form::OwnClass => vec![
                ("objectClass", vec![b"bridgeheadObject"]),
                ("cn", vec![name.as_bytes()]),
                ("bridgeheadText", values),
            ],
            Form::ConnectionPoint => vec![
                ("objectClass", vec![b"serviceConnectionPoint"]),
                ("serviceClassName", vec![SERVICE.as_bytes()]),
                ("serviceBindingInformation", values),
            ],
        };
        let request = Request::Add {
            name: &place,
            attributes: &attributes,
        };
        let mut added = self.call(&request, "a new entry").await;
        if added.as_ref().err().and_then(LdapError::code) == Some(NO_SUCH_OBJECT) {
            self.make_container().await?;
            added = self.call(&request, "a new entry").await;
        }
        match added {
            Err(error) if error.code() == Some(ALREADY_EXISTS) => {
                Err(SharedError::Conflict(in_words(&error)))
            }
            other => other.map_err(|error| refused(&error)),
        }
    }

    /// Makes the entry below which the others stand.
    async fn make_container(&mut self) -> Result<(), SharedError> {
        let (attribute, rest) = self.base.split_once('=').unwrap_or_default();
        let value = rest.split(',').next().unwrap_or_default();
        let class = match (self.form, attribute.to_ascii_lowercase().as_str()) {
            (Form::ConnectionPoint, "cn") => "container",
            (Form::OwnClass, "cn") => "applicationProcess",
            (_, "ou") => "organizationalUnit",
            _ => {
                let base = self.base;
                let reason = format!("{base} isn't there: make it, as a container for our entries");
                return Err(SharedError::Refused(reason));
            }
        };
        let attributes = [
            ("objectClass", vec![class.as_bytes()]),
            (attribute, vec![value.as_bytes()]),
        ];
        let request = Request::Add {
            name: self.base,
            attributes: &attributes,
        };
        let made = self.call(&request, "the container for our entries").await;
        made.map_err(|error| refused(&error))
    }

    async fn swap(&mut self, place: &str, before: &str, after: &str) -> Result<(), SharedError> {
        let (before, after) = (self.values(before), self.values(after));
        let missing = |from: &[String], other: &[String]| -> Vec<String> {
            let missing = from.iter().filter(|value| !other.contains(value));
            missing.cloned().collect()
        };
        let (gone, come) = (missing(&before, &after), missing(&after, &before));
        let attribute = match self.form {
            Form::OwnClass => "bridgeheadText",
            Form::ConnectionPoint => "serviceBindingInformation",
        };
        let changes = [(ChangeKind::Delete, &gone), (ChangeKind::Add, &come)];
        let changes: Vec<Change<'_>> = changes
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(kind, values)| Change {
                kind,
                attribute,
                values: values.iter().map(String::as_bytes).collect(),
            })
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        let request = Request::Modify {
            name: place,
            changes: &changes,
        };
        match self.call(&request, "a change of an entry").await {
            Err(error) if matches!(error.code(), Some(NO_SUCH_ATTRIBUTE | NO_SUCH_OBJECT)) => {
                Err(SharedError::Conflict(in_words(&error)))
            }
            other => other.map_err(|error| refused(&error)),
        }
    }

    /// The values that a text is kept as.
    fn values(&self, text: &str) -> Vec<String> {
        match self.form {
            Form::OwnClass => vec![text.to_owned()],
            Form::ConnectionPoint => lines::split(text),
        }
    }

    async fn call(&mut self, request: &Request<'_>, what: &'static str) -> Result<(), LdapError> {
        let message = self.connection.call(request, &[], what).await?;
        match message.response {
            Response::Add(result) | Response::Modify(result) | Response::Delete(result) => {
                self.connection.success(&result, what)
            }
            _ => Err(self.connection.unexpected(what)),
        }
    }
}

fn away(error: &LdapError) -> SharedError {
    SharedError::Away(in_words(error))
}

/// A step that wasn't done, or of which that isn't known.
fn refused(error: &LdapError) -> SharedError {
    let words = in_words(error);
    match error.code() {
        None => SharedError::Away(words),
        Some(INSUFFICIENT_ACCESS) => SharedError::Refused(format!(
            "{words}; the user of [ldap] needs the right to write below configuration-base"
        )),
        Some(REFERRAL | UNWILLING) => SharedError::Refused(format!(
            "{words}; name a server first in [ldap] that can be written to"
        )),
        Some(_) => SharedError::Refused(words),
    }
}
