//! The organisation: shown as a file, and made what a file says.

use crate::directory::difference;
use crate::drive::{blocking, within};
use crate::router::No;
use crate::{InForce, Rooms};
use axum::Json;
use axum::extract::State;
use bridgehead_directory::{Change, Fault as DirectoryFault, Wish};
use bridgehead_management_api::{ApplyRequest, ApplyResult, Export, Fault};
use std::time::Duration;

/// How long an answer waits for a change to come into force on this server.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn export(State(rooms): State<Rooms>) -> Result<Json<Export>, No> {
    let directory = rooms.directory.clone();
    let exported = blocking(move || directory.export()).await?;
    let (version, text) = exported.map_err(|error| No::broken(&error))?;
    Ok(Json(Export { version, text }))
}

pub(crate) async fn apply(
    State(rooms): State<Rooms>,
    Json(request): Json<ApplyRequest>,
) -> Result<Json<ApplyResult>, No> {
    let directory = rooms.directory.clone();
    let now = rooms.explain.now();
    let dry_run = request.dry_run;
    let applied = blocking(move || {
        directory.apply(&Wish {
            text: &request.text,
            file: &request.file,
            who: "administrator at the admin socket",
            why: &request.why,
            now,
            expected: request.expected_version,
            dry_run: request.dry_run,
        })
    });
    let applied = applied.await?;
    Ok(Json(answer(&rooms, applied, dry_run).await))
}

/// What is said of an apply, after it has come into force.
pub(crate) async fn answer(
    rooms: &Rooms,
    applied: Result<Change, Vec<DirectoryFault>>,
    dry_run: bool,
) -> ApplyResult {
    let change = match applied {
        Ok(change) => change,
        Err(faults) => {
            return ApplyResult {
                version: rooms.directory.snapshot().version(),
                faults: faults.into_iter().map(|one| fault(one, false)).collect(),
                ..ApplyResult::default()
            };
        }
    };
    let differences = change.differences.iter();
    let mut result = ApplyResult {
        version: change.version,
        created: change.created,
        changed: change.changed,
        deleted: change.deleted,
        unchanged: change.unchanged,
        faults: change
            .warnings
            .into_iter()
            .map(|one| fault(one, true))
            .collect(),
        not_in_force: Vec::new(),
        differences: differences
            .map(|(before, after)| difference(before, after))
            .collect(),
        effects: change.effects,
    };
    if !dry_run {
        result.not_in_force = in_force(rooms, change.version).await;
        tracing::info!(
            version = change.version,
            "an operator applied an organisation file"
        );
    }
    result
}

/// Waits until the version is in force here; returns what of it isn't.
async fn in_force(rooms: &Rooms, version: u64) -> Vec<String> {
    let mut watched = rooms.in_force.clone();
    let reached = watched.wait_for(|now: &InForce| now.version >= version);
    match within(IN_FORCE_WITHIN, reached).await {
        Some(Ok(now)) => now.faults.clone(),
        _ => vec!["it is stored, but not in force on this server yet".to_owned()],
    }
}

fn fault(fault: DirectoryFault, warning: bool) -> Fault {
    Fault {
        file: fault.file,
        line: fault.line,
        key: fault.key,
        reason: fault.reason,
        warning,
    }
}
