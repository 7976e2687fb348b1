//! `bridgehead route explain` and `bridgehead recipient explain`.

use super::{print, print_json};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Recipient, Route};
use bridgehead_management_api::{RecipientExplanation, RouteExplanation};

/// Runs one of the route's commands.
pub(crate) async fn route(command: &Route) -> Result<(), AdminError> {
    let Route::Explain { address, to } = command;
    let mut server = AdminClient::connect(to).await?;
    let path = format!("/routes/explain?address={}", quote(address));
    let explained: RouteExplanation = server.get(&path).await?;
    if to.json {
        return print_json(&explained);
    }
    let mut lines = Vec::new();
    for route in &explained.routes {
        lines.push(format!("{} -> {}", route.recipient, route.next_hop));
        lines.push(format!("  link {}", route.link));
        for candidate in &route.candidates {
            lines.push(format!(
                "  connector {} (address space {}, cost {}): {}",
                candidate.connector, candidate.address_space, candidate.cost, candidate.verdict
            ));
        }
    }
    lines.extend(
        explained
            .failures
            .iter()
            .map(|why| format!("no way: {why}")),
    );
    print(&lines.join("\n"))
}

/// Runs one of the recipient's commands.
pub(crate) async fn recipient(command: &Recipient) -> Result<(), AdminError> {
    let Recipient::Explain {
        address,
        from,
        stranger,
        size,
        to,
    } = command;
    let mut server = AdminClient::connect(to).await?;
    let mut path = format!(
        "/recipients/explain?address={}&stranger={stranger}",
        quote(address)
    );
    if let Some(from) = from {
        path.push_str(&format!("&from={}", quote(from)));
    }
    if let Some(size) = size {
        path.push_str(&format!("&size={size}"));
    }
    let explained: RecipientExplanation = server.get(&path).await?;
    if to.json {
        return print_json(&explained);
    }
    let mut lines = Vec::new();
    for step in &explained.steps {
        let object = match step.object.as_str() {
            "" => String::new(),
            object => format!(" [{object}]"),
        };
        lines.push(format!("{}{object}: {}", step.address, step.text));
    }
    lines.extend(
        explained
            .addressees
            .iter()
            .map(|addressee| format!("=> {addressee}")),
    );
    print(&lines.join("\n"))
}
