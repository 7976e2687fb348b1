//! `bridgehead status`.

use super::{print, print_json, time};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::Admin;
use bridgehead_management_api::Status;

/// Shows the server as a whole.
pub(crate) async fn status(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let status: Status = server.get("/status").await?;
    if to.json {
        return print_json(&status);
    }
    let mut lines = vec![
        format!("server        {} (pid {})", status.server, status.pid),
        format!("version       {}", status.version),
        format!("started       {}", time(status.started)),
        format!("organisation  version {} in force", status.organization),
        format!("queued        {} messages", status.queued),
    ];
    lines.extend(status.listeners.iter().map(|listener| {
        format!(
            "listening     {} on {} ({} sessions)",
            listener.virtual_server, listener.address, listener.sessions
        )
    }));
    lines.extend(
        status
            .not_in_force
            .iter()
            .map(|why| format!("NOT IN FORCE  {why}")),
    );
    print(&lines.join("\n"))
}
