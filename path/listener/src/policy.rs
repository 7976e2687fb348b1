//! From the settings of a virtual server to what its sessions offer and allow.

use crate::settings::{BareLineEnds, Settings, TlsMode, VirtualServer};
use bridgehead_mail::Domain;
use bridgehead_smtp::server::Policy;

/// The policy of one virtual server. `default_domain` is the directory's.
pub(crate) fn policy(
    settings: &Settings,
    server: &VirtualServer,
    default_domain: Option<&Domain>,
) -> Policy {
    let hostname = server.hostname.as_ref().unwrap_or(&settings.hostname);
    let postmaster_domain = settings
        .postmaster_domain
        .as_ref()
        .or(default_domain)
        .unwrap_or(hostname);
    Policy {
        starttls: server.tls == TlsMode::StartTls,
        auth: server.auth,
        etrn: settings.etrn,
        // Who can't authenticate can't have the connection turned round.
        atrn: settings.atrn && server.auth && server.tls != TlsMode::Off,
        require_tls: server.require_tls,
        require_auth: server.require_auth,
        binarymime: server.binarymime,
        normalise_line_ends: server.bare_line_ends == BareLineEnds::Normalise,
        refuse_early_talk: server.refuse_early_talk,
        max_hold: server
            .max_hold
            .map(|most| u32::try_from(most.as_secs()).unwrap_or(u32::MAX)),
        priority_from_header: server.priority_from_header,
        max_message_size: server.max_message_size,
        max_recipients: server.max_recipients,
        max_header_size: server.max_header_size,
        max_line_size: server.max_line_size,
        max_hops: server.max_hops,
        max_command_size: server.max_command_size,
        max_errors: server.max_errors,
        max_idle_commands: server.max_idle_commands,
        max_auth_failures: server.max_auth_failures,
        max_discarded: server.max_discarded,
        command_timeout: server.command_timeout,
        data_timeout: server.data_timeout,
        message_timeout: server.message_timeout,
        ..Policy::new(hostname.clone(), postmaster_domain.clone())
    }
}
