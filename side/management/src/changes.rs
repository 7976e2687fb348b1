//! The organisation: shown as a file, and made what a file says.

use crate::directory::difference;
use crate::drive::{blocking, within};
use crate::router::No;
use crate::{InForce, Rooms};
use axum::Json;
use axum::extract::State;
use bridgehead_directory::{Change, Fault as DirectoryFault, Wish};
use bridgehead_management_api::{ApplyRequest, ApplyResult, EndTrial, Export, Fault, TrialEnded};
use std::sync::Arc;
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
    let explain = Arc::clone(&rooms.explain);
    let applied = blocking(move || {
        let faults = explain.faults_here(&request.text, &request.file);
        if !faults.is_empty() {
            return Err(faults);
        }
        directory.apply(&Wish {
            text: &request.text,
            file: &request.file,
            who: crate::OPERATOR,
            why: &request.why,
            now,
            expected: request.expected_version,
            dry_run: request.dry_run,
            trial_on: &request.try_on,
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
    let elsewhere = change.elsewhere;
    let mut result = ApplyResult {
        version: change.version,
        created: change.created,
        changed: change.changed,
        deleted: change.deleted,
        unchanged: change.unchanged,
        tried_on: change.trial_on,
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
        if !elsewhere {
            let reached = |now: &InForce| now.version >= change.version;
            result.not_in_force = in_force(rooms, reached).await;
        }
        tracing::info!(
            version = change.version,
            tried_on = ?result.tried_on,
            "an operator applied an organisation file"
        );
    }
    result
}

/// Ends the trial of a change.
pub(crate) async fn end_trial(
    State(rooms): State<Rooms>,
    Json(EndTrial { keep }): Json<EndTrial>,
) -> Result<Json<TrialEnded>, No> {
    let directory = rooms.directory.clone();
    let ended = blocking(move || directory.end_trial(keep)).await?;
    let (version, tried) = match ended {
        Ok(ended) => ended,
        Err(faults) => {
            return Ok(Json(TrialEnded {
                faults: faults.into_iter().map(|one| fault(one, false)).collect(),
                ..TrialEnded::default()
            }));
        }
    };
    let reached = |now: &InForce| match keep {
        true => now.version >= version,
        false => now.version != tried,
    };
    let late = in_force(&rooms, reached).await;
    tracing::info!(version, tried, keep, ?late, "an operator ended a trial");
    Ok(Json(TrialEnded {
        version,
        tried,
        faults: Vec::new(),
    }))
}

/// Waits until a version is in force here; returns what of it isn't.
async fn in_force(rooms: &Rooms, reached: impl FnMut(&InForce) -> bool) -> Vec<String> {
    let mut watched = rooms.in_force.clone();
    let reached = watched.wait_for(reached);
    match within(IN_FORCE_WITHIN, reached).await {
        Some(Ok(now)) => now.faults.clone(),
        _ => {
            let why = rooms.directory.waits_for();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            vec![format!(
                "it is stored, but not in force on this server yet{why}"
            )]
        }
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
