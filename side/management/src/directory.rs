//! How the directory is, what was changed in it, and the way back.

use crate::Rooms;
use crate::changes::answer;
use crate::drive::blocking;
use crate::router::No;
use axum::Json;
use axum::extract::{Path, Query, State};
use bridgehead_directory::{HistoryError, Rejected, Wish};
use bridgehead_management_api::{
    ApplyResult, ChangeDetail, Difference, DirectoryStatus, FollowedDirectory, History,
    HistoryItem, RejectedObject, RollbackRequest, SharedOrganization,
};
use serde::Deserialize;

pub(crate) async fn status(State(rooms): State<Rooms>) -> Result<Json<DirectoryStatus>, No> {
    let (directory, now) = (rooms.directory.clone(), rooms.explain.now());
    // All recipients are counted: that takes a while where there are many.
    let view = blocking(move || directory.view()).await?;
    let followed = view.copied.map(|copied| FollowedDirectory {
        source: copied.source,
        connected: copied.connected,
        stale: copied.stale,
        heard: copied.heard.map(|at| at.as_millis()),
        lag: copied
            .heard
            .map(|at| now.as_millis().saturating_sub(at.as_millis())),
        changed: copied.committed.map(|at| at.as_millis()),
        recipients: copied.recipients,
        trouble_at: copied.trouble.as_ref().map(|(at, _)| at.as_millis()),
        trouble: copied.trouble.map(|(_, words)| words),
    });
    Ok(Json(DirectoryStatus {
        version: view.version,
        revision: view.revision,
        complete: view.complete,
        mailboxes: view.mailboxes,
        groups: view.groups,
        contacts: view.contacts,
        followed,
        shared: view.shared.map(|shared| SharedOrganization {
            version: shared.version,
            trial: shared.trial.as_ref().map(|trial| trial.version),
            tried_on: shared.trial.map(|trial| trial.on).unwrap_or_default(),
            waiting: shared.waiting,
        }),
        rejected: named(view.rejected),
        doubtful: named(view.doubtful),
    }))
}

fn named(objects: Vec<Rejected>) -> Vec<RejectedObject> {
    let objects = objects.into_iter();
    let objects = objects.map(|one| RejectedObject {
        place: one.place.into(),
        reason: one.reason,
    });
    objects.collect()
}

#[derive(Deserialize)]
pub(crate) struct Last {
    #[serde(default = "twenty")]
    last: usize,
}

const fn twenty() -> usize {
    20
}

pub(crate) async fn history(
    State(rooms): State<Rooms>,
    Query(Last { last }): Query<Last>,
) -> Result<Json<History>, No> {
    const MOST: usize = 10_000;
    let directory = rooms.directory.clone();
    let entries = blocking(move || directory.history(last.min(MOST))).await?;
    let entries = entries.map_err(|error| No::broken(&error))?;
    let changes = entries.into_iter().map(|entry| HistoryItem {
        version: entry.version,
        at: entry.at.as_millis(),
        who: entry.who,
        why: entry.why,
        summary: entry.summary,
    });
    Ok(Json(History {
        changes: changes.collect(),
    }))
}

pub(crate) async fn show(
    State(rooms): State<Rooms>,
    Path(version): Path<u64>,
) -> Result<Json<ChangeDetail>, No> {
    let directory = rooms.directory.clone();
    let changes = blocking(move || directory.change(version)).await?;
    let changes = changes.map_err(|error| No::broken(&error))?;
    if changes.is_empty() {
        return Err(No::not_found(&format!(
            "no change led to version {version}"
        )));
    }
    let objects = changes
        .iter()
        .map(|change| difference(&change.before, &change.after));
    Ok(Json(ChangeDetail {
        version,
        objects: objects.collect(),
    }))
}

/// An object before and after, without passwords and their hashes.
pub(crate) fn difference(before: &str, after: &str) -> Difference {
    let secret = |line: &&str| line.starts_with("password = ");
    let same = before.lines().find(secret) == after.lines().find(secret);
    let without = |text: &str, words: &str| {
        let lines = text.lines().map(|line| match secret(&line) {
            true => format!("password = \"({words})\"\n"),
            false => format!("{line}\n"),
        });
        lines.collect::<String>()
    };
    Difference {
        before: without(before, "not shown"),
        after: without(
            after,
            if same {
                "not shown"
            } else {
                "not shown, another one"
            },
        ),
    }
}

/// Makes the organisation what it was at a version; that is a change like any other.
pub(crate) async fn rollback(
    State(rooms): State<Rooms>,
    Json(request): Json<RollbackRequest>,
) -> Result<Json<ApplyResult>, No> {
    let (directory, now) = (rooms.directory.clone(), rooms.explain.now());
    let RollbackRequest {
        version,
        why,
        dry_run,
    } = request;
    let newest = directory.snapshot().version();
    if version == 0 || version >= newest {
        return Err(No::bad(&format!(
            "a version from 1 to {} is expected: the organisation is at {newest}",
            newest.saturating_sub(1)
        )));
    }
    let why = match why.as_str() {
        "" => format!("back to version {version}"),
        why => format!("back to version {version}: {why}"),
    };
    let applied = blocking(move || {
        let text = directory.at_version(version)?;
        let applied = directory.apply(&Wish {
            text: &text,
            file: &format!("version {version}"),
            who: "administrator at the admin socket",
            why: &why,
            now,
            expected: Some(newest),
            dry_run,
            trial_on: &[],
        });
        Ok(applied)
    });
    let applied = applied.await?;
    let applied = applied.map_err(|error| match error {
        HistoryError::Unknown(_) => No::not_found(&error),
        HistoryError::Database(_) => No::broken(&error),
    })?;
    Ok(Json(answer(&rooms, applied, dry_run).await))
}
