//! Whole entries: with all values of attributes that come in ranges, and what they are as news.

use super::connection::Connection;
use super::{Following, Root};
use crate::map::{ATTRIBUTES, Mapped, map};
use crate::{LdapError, guid_text};
use bridgehead_directory::{Entry as NewsEntry, EntryId, News, StoredPart};
use bridgehead_ldap::{Entry, Filter, Scope, Search};

/// Values of one attribute; of a group with more the entry can't be used.
const VALUES_MAX: usize = 1_000_000;

/// Where a search begins.
pub(super) fn base(following: &Following<'_>, root: &Root) -> String {
    if !following.settings.base.is_empty() {
        return following.settings.base.clone();
    }
    let default = root.default_context.clone();
    let first = || root.contexts.first().cloned();
    default.or_else(first).unwrap_or_default()
}

/// The identity of an entry: objectGUID, else entryUUID, else its DN.
pub(super) fn identity(entry: &Entry) -> EntryId {
    let guid = entry.values("objectGUID").first();
    let text = guid.and_then(|octets| guid_text(octets));
    let text = text.or_else(|| {
        entry
            .text("entryUUID")
            .map(|text| text.to_lowercase().into())
    });
    EntryId(text.unwrap_or_else(|| entry.name.to_lowercase().into()))
}

/// What an entry is as news.
pub(super) fn news(entry: &Entry, id: EntryId) -> News {
    let content = match map(entry, &id.0) {
        Mapped::Nobody => return News::Gone(id),
        Mapped::Object(object) => Ok(*object),
        Mapped::Part(text) => {
            let place = entry.name.as_str().into();
            return News::Part(id, StoredPart { place, text });
        }
        Mapped::Fault(reason) => Err(reason),
    };
    News::Put(Box::new(NewsEntry {
        id,
        place: entry.name.as_str().into(),
        content,
    }))
}

/// Fetches the values that a server holds back behind ranges (MS-ADTS §3.1.1.3.1.3.3).
pub(super) async fn complete(
    connection: &mut Connection,
    entry: &mut Entry,
) -> Result<(), LdapError> {
    let all = Filter::parse("(objectClass=*)").map_err(|error| LdapError::NoServer {
        reason: error.to_string(),
    })?;
    while let Some((at, attribute, next)) = open_range(entry) {
        let have = entry
            .attributes
            .get(at)
            .map_or(0, |(_, values)| values.len());
        let wanted = format!("{attribute};range={next}-*");
        let search = Search {
            base: &entry.name,
            scope: Scope::Base,
            filter: &all,
            attributes: &[&wanted],
        };
        let more = connection.find(&search).await?.unwrap_or_default();
        let of = |name: &str| name.split(';').next() == Some(attribute.as_str());
        let part = more.attributes.into_iter().find(|(name, _)| of(name));
        let Some((name, values)) = part.filter(|(_, values)| !values.is_empty()) else {
            // It has become shorter meanwhile; the change is told soon.
            close_range(entry, at, attribute);
            continue;
        };
        if have + values.len() > VALUES_MAX {
            return Err(connection.unexpected("a search for more values than allowed"));
        }
        if let Some((old, there)) = entry.attributes.get_mut(at) {
            there.extend(values);
            *old = name;
        }
    }
    Ok(())
}

fn close_range(entry: &mut Entry, at: usize, attribute: String) {
    if let Some((old, _)) = entry.attributes.get_mut(at) {
        *old = attribute;
    }
}

/// An attribute of which there is more: its index, its name, and where to go on from.
fn open_range(entry: &Entry) -> Option<(usize, String, u64)> {
    entry
        .attributes
        .iter()
        .enumerate()
        .find_map(|(at, (name, _))| {
            let (attribute, option) = name.split_once(';')?;
            let (_, end) = option.strip_prefix("range=")?.split_once('-')?;
            let end: u64 = end.parse().ok()?;
            Some((at, attribute.to_owned(), end.saturating_add(1)))
        })
}

/// Reads all entries, page by page, and tells each. Returns their identities.
pub(super) async fn tell_all(
    connection: &mut Connection,
    following: &mut Following<'_>,
    base: &str,
    seen: &mut std::collections::BTreeSet<EntryId>,
) -> Result<(), LdapError> {
    let filter = following.filter()?;
    let search = Search {
        base,
        scope: Scope::Subtree,
        filter: &filter,
        attributes: ATTRIBUTES,
    };
    let mut cookie = Vec::new();
    loop {
        let (entries, next) = connection.page(&search, &cookie, &[]).await?;
        for mut entry in entries {
            complete(connection, &mut entry).await?;
            let id = identity(&entry);
            let news = news(&entry, id.clone());
            if !matches!(news, News::Gone(_)) {
                seen.insert(id);
                following.tell(news).await?;
            }
        }
        match next {
            Some(next) => cookie = next,
            None => return Ok(()),
        }
    }
}

/// Whether a DN is another or stands below it.
pub(super) fn is_below(name: &str, base: &str) -> bool {
    let (name, base) = (name.to_lowercase(), base.to_lowercase());
    let rest = name.strip_suffix(base.as_str());
    base.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(','))
}
