//! `bridgehead message trace`.

use super::{exact_time, print, print_json, row, table};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::Message;
use bridgehead_management_api::Trace;

/// Runs one of the message's commands.
pub(crate) async fn message(command: &Message) -> Result<(), AdminError> {
    let Message::Trace { id, to } = command;
    let mut server = AdminClient::connect(to).await?;
    let trace: Trace = server
        .get(&format!("/messages/{}/trace", quote(id)))
        .await?;
    if to.json {
        return print_json(&trace);
    }
    print(&trace_text(&trace))
}

/// A trace as lines for people.
pub(crate) fn trace_text(trace: &Trace) -> String {
    let rows: Vec<Vec<String>> = trace
        .steps
        .iter()
        .map(|step| row([&exact_time(step.at), &step.step, &step.text]))
        .collect();
    table(&rows)
}
