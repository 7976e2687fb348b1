//! A server with content synchronization (RFC 4533), as OpenLDAP: it tells of changes as they happen.

use super::connection::Connection;
use super::{Following, Root, reading};
use crate::LdapError;
use crate::cursor::Cursor;
use crate::map::{ATTRIBUTES, uuid_text};
use bridgehead_directory::{EntryId, News};
use bridgehead_ldap::{
    Entry, Filter, Message, Request, Response, Scope, Search, SyncInfo, SyncPhase, SyncState,
    sync_request,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// After this time without another change those that came are in force.
const QUIET: Duration = Duration::from_millis(20);
/// After so many changes they are in force in any case.
const CHANGES_MAX: usize = 1000;
/// After this time without a word the server is asked whether it is there.
const PROBE_AFTER: Duration = Duration::from_secs(20);
/// RFC 4533 §2.2: the cookie is too old; RFC 4533 calls it e-syncRefreshRequired.
const REFRESH_REQUIRED: u32 = 4096;

/// What is known about a refresh.
struct Sync {
    id: u32,
    cookie: Option<Vec<u8>>,
    /// Everything is told, as into an empty copy.
    full: bool,
    refreshing: bool,
    /// Entries that are there, in a refresh that isn't full.
    seen: BTreeSet<EntryId>,
    changes: usize,
}

/// Follows until something fails.
pub(super) async fn follow(
    connection: &mut Connection,
    root: &Root,
    following: &mut Following<'_>,
) -> Result<(), LdapError> {
    let base = reading::base(following, root);
    loop {
        let mut sync = start(connection, following, &base).await?;
        if sync.full {
            following.tell(News::Full).await?;
        }
        while !turn(connection, following, &mut sync).await? {}
        // The cookie doesn't count any more: everything anew.
        following.cursor = None;
    }
}

async fn start(
    connection: &mut Connection,
    following: &Following<'_>,
    base: &str,
) -> Result<Sync, LdapError> {
    let cookie = match &following.cursor {
        Some(Cursor::Sync(cookie)) => Some(cookie.clone()),
        _ => None,
    };
    let filter = following.filter()?;
    let search = Search {
        base,
        scope: Scope::Subtree,
        filter: &filter,
        attributes: ATTRIBUTES,
    };
    let control = sync_request(cookie.as_deref());
    let id = connection
        .send(&Request::Search(search), &[control])
        .await?;
    Ok(Sync {
        id,
        full: cookie.is_none(),
        cookie,
        refreshing: true,
        seen: BTreeSet::new(),
        changes: 0,
    })
}

/// Takes one answer, or what its absence means. Returns whether everything must be told anew.
async fn turn(
    connection: &mut Connection,
    following: &mut Following<'_>,
    sync: &mut Sync,
) -> Result<bool, LdapError> {
    let settled = !sync.refreshing && sync.changes > 0;
    if settled && sync.changes >= CHANGES_MAX {
        commit(following, sync).await?;
    }
    let wait = if settled { QUIET } else { PROBE_AFTER };
    let received = tokio::select! {
        () = following.news.closed() => return Err(LdapError::Over),
        received = connection.receive(wait) => received?,
    };
    match received {
        Some(message) if message.id == sync.id => take(connection, following, sync, message).await,
        Some(_) => Ok(false),
        None if settled => commit(following, sync).await.map(|()| false),
        None => probe(connection, following, sync).await,
    }
}

/// Asks whether the server is there. What it tells meanwhile counts.
async fn probe(
    connection: &mut Connection,
    following: &mut Following<'_>,
    sync: &mut Sync,
) -> Result<bool, LdapError> {
    let filter = Filter::equal("objectClass", b"*");
    let search = Search {
        base: "",
        scope: Scope::Base,
        filter: &filter,
        attributes: &["1.1"],
    };
    let id = connection.send(&Request::Search(search), &[]).await?;
    let patience = following.settings.timeout;
    loop {
        let Some(message) = connection.receive(patience).await? else {
            return Err(connection.slow("a search"));
        };
        if message.id == id {
            if matches!(message.response, Response::SearchDone(_)) {
                following.alive().await?;
                return Ok(false);
            }
        } else if message.id == sync.id && take(connection, following, sync, message).await? {
            return Ok(true);
        }
    }
}

async fn take(
    connection: &Connection,
    following: &mut Following<'_>,
    sync: &mut Sync,
    message: Message,
) -> Result<bool, LdapError> {
    match &message.response {
        Response::Entry(entry) => {
            let state = SyncState::read(&message.controls);
            let state = state.map_err(|source| connection.malformed(source))?;
            let state = state.ok_or_else(|| connection.unexpected("content synchronization"))?;
            take_entry(following, sync, entry, state).await?;
        }
        Response::Intermediate { .. } => {
            let info = SyncInfo::read(&message);
            let info = info.map_err(|source| connection.malformed(source))?;
            if let Some(info) = info {
                take_info(following, sync, info).await?;
            }
        }
        Response::SearchDone(result) if result.code == REFRESH_REQUIRED => return Ok(true),
        Response::SearchDone(result) => {
            connection.success(result, "content synchronization")?;
            return Err(connection.unexpected("content synchronization"));
        }
        _ => {}
    }
    Ok(false)
}

async fn take_entry(
    following: &mut Following<'_>,
    sync: &mut Sync,
    entry: &Entry,
    state: SyncState,
) -> Result<(), LdapError> {
    let id = EntryId(uuid_text(&state.uuid));
    sync.cookie = state.cookie.or(sync.cookie.take());
    let news = match state.phase {
        SyncPhase::Present => {
            sync.seen.insert(id);
            return Ok(());
        }
        SyncPhase::Delete => News::Gone(id),
        SyncPhase::Add | SyncPhase::Modify => {
            if sync.refreshing && !sync.full {
                sync.seen.insert(id.clone());
            }
            reading::news(entry, id)
        }
    };
    sync.changes += 1;
    following.tell(news).await
}

async fn take_info(
    following: &mut Following<'_>,
    sync: &mut Sync,
    info: SyncInfo,
) -> Result<(), LdapError> {
    let (cookie, done) = match info {
        SyncInfo::Cookie(cookie) => {
            // Also a change that concerns nobody moves it on.
            sync.changes += 1;
            (Some(cookie), false)
        }
        SyncInfo::Deleted { cookie, done } => (cookie, done),
        SyncInfo::Present { cookie, done } => {
            if !sync.full {
                let seen = std::mem::take(&mut sync.seen);
                following.tell(News::Only(seen)).await?;
            }
            (cookie, done)
        }
        SyncInfo::Set {
            cookie,
            deletes,
            uuids,
        } => {
            for uuid in uuids {
                let id = EntryId(uuid_text(&uuid));
                if deletes {
                    following.tell(News::Gone(id)).await?;
                } else {
                    sync.seen.insert(id);
                }
            }
            (cookie, false)
        }
    };
    sync.cookie = cookie.or(sync.cookie.take());
    if done && sync.refreshing {
        sync.refreshing = false;
        commit(following, sync).await?;
        following.alive().await?;
    }
    Ok(())
}

async fn commit(following: &mut Following<'_>, sync: &mut Sync) -> Result<(), LdapError> {
    sync.changes = 0;
    let cursor = match &sync.cookie {
        Some(cookie) => Cursor::Sync(cookie.clone()),
        None => Cursor::Polled,
    };
    following.commit(cursor).await
}
