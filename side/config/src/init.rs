//! The files that `init` writes: complete, commented, and without a fault.

use bridgehead_directory::{Name, quote};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What goes into the example organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example<'a> {
    /// The name of its server.
    pub server: Name,
    /// Where the virtual server `inbound` listens.
    pub inbound: SocketAddr,
    /// Where the virtual server `submission` listens.
    pub submission: SocketAddr,
    /// Alice's password; without one she can't log in.
    pub alice: Option<&'a str>,
    /// Bob's password.
    pub bob: Option<&'a str>,
    /// The administrator's password.
    pub administrator: Option<&'a str>,
}

impl Example<'_> {
    /// The example on loopback with its usual ports and nobody's password.
    #[must_use]
    pub const fn on_loopback(server: Name) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            server,
            inbound: SocketAddr::new(loopback, 2525),
            submission: SocketAddr::new(loopback, 2587),
            alice: None,
            bob: None,
            administrator: None,
        }
    }
}

/// The text of a server file.
#[must_use]
pub fn init_server_file(name: &Name) -> String {
    format!(
        r#"# What this server needs to start. Everything else is objects of the organisation:
# change them with `bridgehead apply`, see them with `bridgehead export`.
# Relative paths start at the folder of this file.

# The object of this name in the organisation says what the server does.
name = "{name}"

# The embedded directory, mailboxes and certificates.
data = "data"

# The queue of accepted mail. A fast disk of its own pays. Default: queue in the data directory.
# queue = "data/queue"

# Where the command line reaches the server. Default: admin.sock in the data directory.
# admin-socket = "data/admin.sock"

# Where the organisation's directory is: "embedded", or "ldap" for Active Directory or another LDAP directory as well.
directory = "embedded"

# error, warn, info, debug or trace; text or json.
log-level = "info"
log-format = "text"

# With directory = "ldap": where it is. A copy is kept, so that mail flows on while it is away.
# [ldap]
# servers = ["ldaps://dc1.example.org", "ldaps://dc2.example.org"]
# base = "DC=example,DC=org"
# user = "bridgehead@example.org"
# password-file = "ldap.password"
# ca-file = "ca.pem"
"#
    )
}

/// The text of an organisation file: the organisation `example.test`.
#[must_use]
pub fn init_organization_file(example: &Example<'_>) -> String {
    let server = &example.server;
    let (inbound, submission) = (example.inbound, example.submission);
    let alice = password(example.alice);
    let bob = password(example.bob);
    let administrator = password(example.administrator);
    format!(
        r#"# An organisation. Put it in force with `bridgehead apply -f FILE`: the organisation becomes what this file says,
# what isn't in it is removed. Applying it again changes nothing.

[organization]
name = "Example"
# Gets mail for postmaster and abuse of every accepted domain, and reports that nobody else can get.
postmaster = "alice@example.test"

# A domain for which mail is taken. Its recipients are all in this file; others are refused.
[[accepted-domain]]
name = "example.test"
kind = "authoritative"              # or "internal-relay": unknown recipients are passed on; "external-relay": all are

# A site: servers that reach each other directly.
[[routing-group]]
name = "main"

# The machine whose server file has this name.
[[server]]
name = "{server}"
routing-group = "main"
# hostname = "mail.example.test"    # what it calls itself; its name if nothing is said
# retry-schedule = ["1m", "1m", "1m", "1m", "15m", "30m", "1h", "2h", "4h"]   # the last one repeats
# expire-after = "2d"

# Mail from other servers.
[[virtual-server]]
name = "inbound"
server = "{server}"
role = "mx"
listen = ["{inbound}"]
# relay-from = ["127.0.0.0/8"]      # who may send to anywhere without a password; nobody if nothing is said
# max-message-size = "50 MiB"

# Mail from our own users, who log in with their mailbox's name or address.
[[virtual-server]]
name = "submission"
server = "{server}"
role = "submission"
listen = ["{submission}"]

# The way to everybody else. Without a connector, mail stays in the organisation.
# [[connector]]
# name = "internet"
# routing-group = "main"
# address-space = [{{ pattern = "*", cost = 10 }}]
# next-hop = "mx"                   # or smart-hosts = ["relay.example.net:25"]

# A password in clear text is hashed on apply; export shows the hash.
[[mailbox]]
name = "alice"
addresses = ["alice@example.test"]  # the first is the primary one; alice+anything@ reaches her too
{alice}

[[mailbox]]
name = "bob"
addresses = ["bob@example.test"]
{bob}
# forward-to = ["bob@example.net"]
# keep-copy = true

# [[group]]
# name = "staff"
# addresses = ["staff@example.test"]
# members = ["alice", "bob", "outside@example.net"]

# [[contact]]
# name = "carol"
# addresses = ["carol@example.test"]
# target = "carol@example.net"

[[administrator]]
name = "administrator"
{administrator}
"#
    )
}

/// The line with the password, or one that shows where it goes.
fn password(password: Option<&str>) -> String {
    match password {
        Some(password) => {
            let mut line = "password = ".to_owned();
            quote(password, &mut line);
            line
        }
        None => "# password = \"...\"".to_owned(),
    }
}
