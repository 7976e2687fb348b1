//! A server that has no better way: everything is read again and again.

use super::connection::Connection;
use super::{Following, Root, reading};
use crate::LdapError;
use crate::cursor::Cursor;
use bridgehead_directory::News;
use std::collections::BTreeSet;

/// Reads everything, again after each pause, until something fails.
pub(super) async fn follow(
    connection: &mut Connection,
    root: &Root,
    following: &mut Following<'_>,
) -> Result<(), LdapError> {
    let base = reading::base(following, root);
    loop {
        let mut seen = BTreeSet::new();
        let first = following.cursor.is_none();
        if first {
            following.tell(News::Full).await?;
        }
        reading::tell_all(connection, following, &base, &mut seen).await?;
        if let Some(other) = &following.settings.configuration_base
            && !reading::is_below(other, &base)
        {
            reading::tell_all(connection, following, other, &mut seen).await?;
        }
        if !first {
            following.tell(News::Only(seen)).await?;
        }
        following.commit(Cursor::Polled).await?;
        pause(following).await?;
    }
}

/// Waits until the directory is asked again: at once when this server has written to it.
pub(super) async fn pause(following: &Following<'_>) -> Result<(), LdapError> {
    tokio::select! {
        () = following.news.closed() => Err(LdapError::Over),
        () = following.written.notified() => Ok(()),
        () = tokio::time::sleep(following.settings.poll) => Ok(()),
    }
}
