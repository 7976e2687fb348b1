//! `bridgehead apply`, `bridgehead diff` and `bridgehead export`.

use super::{print, print_aside, print_json};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Apply};
use bridgehead_management_api::{
    ApplyRequest, ApplyResult, Difference, EndTrial, Export, Fault, TrialEnded,
};
use std::path::Path;

/// Makes the organisation what the file says.
pub(crate) async fn apply(apply: &Apply) -> Result<(), AdminError> {
    let request = ApplyRequest {
        why: apply.why.clone(),
        expected_version: apply.expect_version,
        dry_run: apply.dry_run,
        try_on: apply.try_on.clone(),
        ..read(&apply.file)?
    };
    let mut server = AdminClient::connect(&apply.to).await?;
    let result: ApplyResult = server.post("/organization", &request).await?;
    finish(&result, apply.dry_run, &apply.to)
}

/// Shows how the file differs from the organisation.
pub(crate) async fn diff(file: &Path, to: &Admin) -> Result<(), AdminError> {
    let request = ApplyRequest {
        dry_run: true,
        ..read(file)?
    };
    let mut server = AdminClient::connect(to).await?;
    let result: ApplyResult = server.post("/organization", &request).await?;
    if !to.json && result.faults.iter().all(|fault| fault.warning) {
        let lines = difference_lines(&result.differences);
        print(&lines.join("\n"))?;
    }
    finish(&result, true, to)
}

fn read(file: &Path) -> Result<ApplyRequest, AdminError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| AdminError::Refused(format!("can't read {}: {error}", file.display())))?;
    Ok(ApplyRequest {
        text,
        file: file.display().to_string(),
        ..ApplyRequest::default()
    })
}

/// The lines of each object that go (`-`) and come (`+`), below its header.
pub(crate) fn difference_lines(differences: &[Difference]) -> Vec<String> {
    let mut lines = Vec::new();
    for Difference { before, after } in differences {
        let (old, new): (Vec<&str>, Vec<&str>) =
            (before.lines().collect(), after.lines().collect());
        for line in &old {
            let kept = new.contains(line);
            let names = line.starts_with('[') || line.starts_with("name = ");
            if !kept || names {
                lines.push(format!("{}{line}", if kept { ' ' } else { '-' }));
            }
        }
        let come = new.iter().filter(|line| !old.contains(line));
        lines.extend(come.map(|line| format!("+{line}")));
    }
    lines
}

/// Says what an apply did, or would do.
pub(crate) fn finish(result: &ApplyResult, dry_run: bool, to: &Admin) -> Result<(), AdminError> {
    let errors = result.faults.iter().filter(|fault| !fault.warning).count();
    if to.json {
        print_json(result)?;
    } else {
        for fault in &result.faults {
            print_aside(&fault_line(fault))?;
        }
        if errors == 0 {
            print(&text_of(result, dry_run))?;
        }
    }
    nothing_changed(errors)
}

/// Whether there are faults, so that nothing was changed.
fn nothing_changed(faults: usize) -> Result<(), AdminError> {
    match faults {
        0 => Ok(()),
        count => Err(AdminError::Refused(format!(
            "{count} fault(s): nothing was changed"
        ))),
    }
}

/// Ends the trial of a change.
pub(crate) async fn end_trial(keep: bool, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let path = "/organization/trial";
    let ended: TrialEnded = server.post(path, &EndTrial { keep }).await?;
    if to.json {
        print_json(&ended)?;
    } else {
        for fault in &ended.faults {
            print_aside(&fault_line(fault))?;
        }
        if ended.faults.is_empty() {
            let TrialEnded { version, tried, .. } = ended;
            print(&match keep {
                true => format!("version {version} is in force on all servers"),
                false => format!("version {tried} is withdrawn; {version} stays in force"),
            })?;
        }
    }
    nothing_changed(ended.faults.len())
}

fn text_of(result: &ApplyResult, dry_run: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let would = if dry_run { "would be " } else { "" };
    for (what, names) in [
        ("created", &result.created),
        ("changed", &result.changed),
        ("deleted", &result.deleted),
    ] {
        lines.extend(names.iter().map(|name| format!("{would}{what}: {name}")));
    }
    lines.extend(
        result
            .effects
            .iter()
            .map(|effect| format!("effect: {effect}")),
    );
    lines.extend(
        result
            .not_in_force
            .iter()
            .map(|why| format!("not in force: {why}")),
    );
    if !result.tried_on.is_empty() {
        lines.push(format!(
            "on trial on {}; then: bridgehead config promote, or withdraw",
            result.tried_on.join(", ")
        ));
    }
    let same = if dry_run { "would stay" } else { "stayed" };
    lines.push(format!(
        "{} object(s) {same} as they were; version {}",
        result.unchanged, result.version
    ));
    lines.join("\n")
}

/// One fault in the form that editors jump to: `file:line: key: reason`.
pub(crate) fn fault_line(fault: &Fault) -> String {
    let kind = if fault.warning { "warning: " } else { "" };
    if fault.line == 0 {
        return format!("{}: {kind}{}: {}", fault.file, fault.key, fault.reason);
    }
    format!(
        "{}:{}: {kind}{}: {}",
        fault.file, fault.line, fault.key, fault.reason
    )
}

/// Shows the organisation as a file.
pub(crate) async fn export(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let export: Export = server.get("/organization").await?;
    if to.json {
        return print_json(&export);
    }
    print(export.text.trim_end())
}
