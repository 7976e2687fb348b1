//! `bridgehead apply` and `bridgehead export`.

use super::{print, print_aside, print_json};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Apply};
use bridgehead_management_api::{ApplyRequest, ApplyResult, Export, Fault};

/// Makes the organisation what the file says.
pub(crate) async fn apply(apply: &Apply) -> Result<(), AdminError> {
    let Apply { file, to, .. } = apply;
    let dry_run = apply.dry_run;
    let text = std::fs::read_to_string(file)
        .map_err(|error| AdminError::Refused(format!("can't read {}: {error}", file.display())))?;
    let request = ApplyRequest {
        text,
        file: file.display().to_string(),
        why: apply.why.clone(),
        expected_version: apply.expect_version,
        dry_run,
    };
    let mut server = AdminClient::connect(to).await?;
    let result: ApplyResult = server.post("/organization", &request).await?;
    let errors = result.faults.iter().filter(|fault| !fault.warning).count();
    if to.json {
        print_json(&result)?;
    } else {
        for fault in &result.faults {
            print_aside(&fault_line(fault))?;
        }
        if errors == 0 {
            print(&text_of(&result, dry_run))?;
        }
    }
    match errors {
        0 => Ok(()),
        count => Err(AdminError::Refused(format!(
            "{count} fault(s): nothing was changed"
        ))),
    }
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
            .not_in_force
            .iter()
            .map(|why| format!("not in force: {why}")),
    );
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
