//! A domain controller: DirSync where it is allowed, else uSNChanged; what has changed is read whole, deletions included.
//!
//! Guards: a database that was set back or put in another's place is found by its invocation id and its highest USN, and
//! read anew; a cursor of one domain controller is never used with another.

use super::connection::Connection;
use super::polling::pause;
use super::{Following, Root, reading, root};
use crate::cursor::{Cursor, Origin};
use crate::map::{ANY, ATTRIBUTES};
use crate::{LdapError, guid_text};
use bridgehead_directory::{EntryId, News};
use bridgehead_ldap::{
    Control, DirSync, Entry, Filter, Request, Response, Scope, Search, dir_sync, show_deleted,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// MS-ADTS §3.1.1.3.4.1.3.
const DIR_SYNC: &str = "1.2.840.113556.1.4.841";
/// RFC 4511 appendix A: what a user without the right, or a server without the control, is told.
const NOT_ALLOWED: [u32; 5] = [1, 8, 12, 50, 53];

/// A naming context, and the DNs in it that count.
struct Context {
    name: String,
    bases: Vec<String>,
}

/// Follows until something fails.
pub(super) async fn follow(
    connection: &mut Connection,
    mut now: Root,
    following: &mut Following<'_>,
) -> Result<(), LdapError> {
    let contexts = contexts(following, &now);
    let offered = now.controls.iter().any(|oid| oid == DIR_SYNC);
    let mut by_dir_sync = offered && following.settings.dir_sync;
    let blind = !sees_deletions(connection, &contexts).await?;
    // Also what was deleted before this connection is to be found.
    let mut compared: Option<(u64, Instant)> = None;
    loop {
        let origin = origin(connection, &now).await?;
        let step = match &following.cursor {
            Some(Cursor::DirSync {
                origin: before,
                cookies,
            }) if by_dir_sync && origin.continues(before) && cookies.len() == contexts.len() => {
                let cookies = cookies.clone();
                dir_sync_changes(connection, following, &contexts, origin, cookies).await
            }
            Some(Cursor::Usn(before)) if !by_dir_sync && origin.continues(before) => {
                let before = before.usn;
                usn_changes(connection, following, &contexts, origin, before).await
            }
            _ => everything(connection, following, &contexts, origin, by_dir_sync).await,
        };
        match step {
            Err(LdapError::Refused { code, text, .. })
                if by_dir_sync && NOT_ALLOWED.contains(&code) =>
            {
                tracing::info!(code, text, "DirSync isn't allowed: uSNChanged is asked");
                by_dir_sync = false;
                // What was begun isn't finished.
                following
                    .tell(News::Trouble("DirSync isn't allowed".to_owned()))
                    .await?;
                continue;
            }
            other => other?,
        }
        let pause_over = |(usn, at): &(u64, Instant)| {
            *usn != now.usn && at.elapsed() >= following.settings.compare
        };
        if blind && compared.as_ref().is_none_or(pause_over) {
            compared = Some((now.usn, Instant::now()));
            compare(connection, following, &contexts).await?;
        }
        pause(following).await?;
        now = root(connection).await?;
    }
}

/// Whether the user may see what is deleted (MS-ADTS §3.1.1.5.5): not by default.
async fn sees_deletions(
    connection: &mut Connection,
    contexts: &[Context],
) -> Result<bool, LdapError> {
    let all = any()?;
    for context in contexts {
        let base = format!("CN=Deleted Objects,{}", context.name);
        let search = Search {
            base: &base,
            scope: Scope::Base,
            filter: &all,
            attributes: &["isDeleted"],
        };
        let controls = [show_deleted()];
        let seen = match collect(connection, &search, &controls).await {
            Ok((entries, _)) => entries
                .iter()
                .any(|entry| entry.text("isDeleted").is_some()),
            Err(LdapError::Refused { .. }) => false,
            Err(error) => return Err(error),
        };
        if !seen {
            tracing::info!(
                base,
                "deleted objects can't be read: all entries are listed at times"
            );
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lists all entries and tells which are there: something has changed, and it may be that some are gone.
async fn compare(
    connection: &mut Connection,
    following: &mut Following<'_>,
    contexts: &[Context],
) -> Result<(), LdapError> {
    let filter = following.filter()?;
    let mut there = BTreeSet::new();
    for base in contexts.iter().flat_map(|context| &context.bases) {
        let search = Search {
            base,
            scope: Scope::Subtree,
            filter: &filter,
            attributes: &["objectGUID"],
        };
        let mut cookie = Vec::new();
        loop {
            let (entries, next) = connection.page(&search, &cookie, &[]).await?;
            there.extend(entries.iter().map(reading::identity));
            match next {
                Some(next) => cookie = next,
                None => break,
            }
        }
    }
    following.tell(News::Only(there)).await?;
    match following.cursor.clone() {
        Some(cursor) => following.commit(cursor).await,
        None => Ok(()),
    }
}

/// The naming contexts to follow, each with the bases in it.
fn contexts(following: &Following<'_>, now: &Root) -> Vec<Context> {
    let mut bases = vec![reading::base(following, now)];
    bases.extend(following.settings.configuration_base.clone());
    let mut contexts: Vec<Context> = Vec::new();
    for base in bases {
        let above = now
            .contexts
            .iter()
            .filter(|name| reading::is_below(&base, name));
        let name = above.max_by_key(|name| name.len()).unwrap_or(&base).clone();
        match contexts.iter_mut().find(|context| context.name == name) {
            Some(context) => context.bases.push(base),
            None => contexts.push(Context {
                name,
                bases: vec![base],
            }),
        }
    }
    contexts
}

/// Which database this is, and how far it has come.
async fn origin(connection: &mut Connection, now: &Root) -> Result<Origin, LdapError> {
    let all = any()?;
    let search = Search {
        base: now.controller.as_deref().unwrap_or_default(),
        scope: Scope::Base,
        filter: &all,
        attributes: &["invocationId"],
    };
    let settings = connection.find(&search).await?.unwrap_or_default();
    let invocation = settings.values("invocationId").first();
    Ok(Origin {
        invocation: invocation.cloned().unwrap_or_default(),
        usn: now.usn,
    })
}

fn any() -> Result<Filter, LdapError> {
    filter("(objectClass=*)")
}

fn filter(text: &str) -> Result<Filter, LdapError> {
    Filter::parse(text).map_err(|error| LdapError::NoServer {
        reason: error.to_string(),
    })
}

/// Reads everything, after taking note of where the changes from now on begin.
async fn everything(
    connection: &mut Connection,
    following: &mut Following<'_>,
    contexts: &[Context],
    origin: Origin,
    by_dir_sync: bool,
) -> Result<(), LdapError> {
    let mut cookies = Vec::new();
    if by_dir_sync {
        for context in contexts {
            let mut nobody = BTreeMap::new();
            cookies.push(changes(connection, context, Vec::new(), &mut nobody).await?);
        }
    }
    following.tell(News::Full).await?;
    let mut seen = BTreeSet::new();
    for base in contexts.iter().flat_map(|context| &context.bases) {
        reading::tell_all(connection, following, base, &mut seen).await?;
    }
    following
        .commit(if by_dir_sync {
            Cursor::DirSync { origin, cookies }
        } else {
            Cursor::Usn(origin)
        })
        .await?;
    following.alive().await
}

/// Asks by DirSync for what has changed since the cookie; returns the next cookie.
async fn changes(
    connection: &mut Connection,
    context: &Context,
    mut cookie: Vec<u8>,
    changed: &mut BTreeMap<EntryId, bool>,
) -> Result<Vec<u8>, LdapError> {
    let filter = filter(ANY)?;
    let search = Search {
        base: &context.name,
        scope: Scope::Subtree,
        filter: &filter,
        attributes: ATTRIBUTES,
    };
    loop {
        let controls = [dir_sync(&cookie)];
        let (entries, controls) = collect(connection, &search, &controls).await?;
        note(&entries, changed);
        let next = DirSync::read(&controls).map_err(|source| connection.malformed(source))?;
        let next = next.ok_or_else(|| connection.unexpected("DirSync"))?;
        cookie = next.cookie;
        if !next.more {
            return Ok(cookie);
        }
    }
}

/// Notes which entries have changed; whether they are gone.
fn note(entries: &[Entry], changed: &mut BTreeMap<EntryId, bool>) {
    for entry in entries {
        let guid = entry.values("objectGUID").first();
        if let Some(id) = guid.and_then(|octets| guid_text(octets)) {
            let gone = entry.text("isDeleted") == Some("TRUE");
            changed.insert(EntryId(id), gone);
        }
    }
}

/// The entries of a search and the controls of its end.
async fn collect(
    connection: &mut Connection,
    search: &Search<'_>,
    controls: &[Control],
) -> Result<(Vec<Entry>, Vec<Control>), LdapError> {
    let id = connection
        .send(&Request::Search(search.clone()), controls)
        .await?;
    let mut entries = Vec::new();
    loop {
        let message = connection.answer(id, "a search for changes").await?;
        match message.response {
            Response::Entry(entry) => entries.push(entry),
            Response::Reference => {}
            Response::SearchDone(result) => {
                connection.success(&result, "a search for changes")?;
                return Ok((entries, message.controls));
            }
            _ => return Err(connection.unexpected("a search for changes")),
        }
    }
}

async fn dir_sync_changes(
    connection: &mut Connection,
    following: &mut Following<'_>,
    contexts: &[Context],
    origin: Origin,
    mut cookies: Vec<Vec<u8>>,
) -> Result<(), LdapError> {
    let mut changed = BTreeMap::new();
    for (context, cookie) in contexts.iter().zip(&mut cookies) {
        *cookie = changes(connection, context, std::mem::take(cookie), &mut changed).await?;
    }
    let cursor = Cursor::DirSync { origin, cookies };
    tell(connection, following, contexts, changed, cursor).await
}

async fn usn_changes(
    connection: &mut Connection,
    following: &mut Following<'_>,
    contexts: &[Context],
    origin: Origin,
    before: u64,
) -> Result<(), LdapError> {
    let mut changed = BTreeMap::new();
    if origin.usn > before {
        let wanted = before.saturating_add(1);
        let filter = filter(&format!("(&(uSNChanged>={wanted}){ANY})"))?;
        for context in contexts {
            let search = Search {
                base: &context.name,
                scope: Scope::Subtree,
                filter: &filter,
                attributes: &["objectGUID", "isDeleted"],
            };
            let mut cookie = Vec::new();
            loop {
                let controls = [show_deleted()];
                let (entries, next) = connection.page(&search, &cookie, &controls).await?;
                note(&entries, &mut changed);
                match next {
                    Some(next) => cookie = next,
                    None => break,
                }
            }
        }
    }
    tell(
        connection,
        following,
        contexts,
        changed,
        Cursor::Usn(origin),
    )
    .await
}

/// Reads what has changed, tells it, and where to go on from.
async fn tell(
    connection: &mut Connection,
    following: &mut Following<'_>,
    contexts: &[Context],
    changed: BTreeMap<EntryId, bool>,
    cursor: Cursor,
) -> Result<(), LdapError> {
    if changed.is_empty() {
        following.cursor = Some(cursor);
        return following.alive().await;
    }
    let filter = following.filter()?;
    for (id, gone) in changed {
        let news = match gone {
            true => News::Gone(id),
            false => read(connection, contexts, &filter, id).await?,
        };
        following.tell(news).await?;
    }
    following.commit(cursor).await?;
    following.alive().await
}

/// An entry by its identity, wherever it stands now.
async fn read(
    connection: &mut Connection,
    contexts: &[Context],
    filter: &Filter,
    id: EntryId,
) -> Result<News, LdapError> {
    let base = format!("<GUID={}>", id.0);
    let search = Search {
        base: &base,
        scope: Scope::Base,
        filter,
        attributes: ATTRIBUTES,
    };
    let Some(mut entry) = connection.find(&search).await? else {
        return Ok(News::Gone(id));
    };
    let mut bases = contexts.iter().flat_map(|context| &context.bases);
    if !bases.any(|base| reading::is_below(&entry.name, base)) {
        return Ok(News::Gone(id));
    }
    reading::complete(connection, &mut entry).await?;
    Ok(reading::news(&entry, id))
}
