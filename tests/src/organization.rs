//! The organisation that most tests use, as the text of its file.

use std::fmt::Write;
use std::net::SocketAddr;

/// The password of every mailbox in [`Organization`].
pub const PASSWORD: &str = "correct horse battery staple";

/// Builds the text of an organisation file: example.test with alice and bob, a virtual server `inbound` that relays
/// for loopback, one named `strict` that doesn't, and one for submission.
#[derive(Clone, Debug)]
pub struct Organization {
    server: String,
    listen: String,
    inbound: String,
    more: String,
}

impl Default for Organization {
    fn default() -> Self {
        Self {
            server: "name = \"mail1\"\nrouting-group = \"main\"\n".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            inbound: "relay-from = [\"127.0.0.0/8\"]\n".to_owned(),
            more: String::new(),
        }
    }
}

impl Organization {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines for the `[[server]]`, as `expire-after = "1s"`.
    #[must_use]
    pub fn server(mut self, lines: &str) -> Self {
        writeln!(self.server, "{lines}").unwrap();
        self
    }

    /// Lines for the virtual server `inbound`.
    #[must_use]
    pub fn inbound(mut self, lines: &str) -> Self {
        writeln!(self.inbound, "{lines}").unwrap();
        self
    }

    /// Where `inbound` listens, instead of at a free port.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address.to_string();
        self
    }

    /// Further objects.
    #[must_use]
    pub fn with(mut self, objects: &str) -> Self {
        writeln!(self.more, "{objects}").unwrap();
        self
    }

    /// A connector for an address space to one smart host.
    #[must_use]
    pub fn smart_host(self, name: &str, pattern: &str, host: SocketAddr) -> Self {
        self.with(&format!(
            "[[connector]]\nname = \"{name}\"\nrouting-group = \"main\"\n\
             address-space = [{{ pattern = \"{pattern}\", cost = 10 }}]\n\
             smart-hosts = [\"{host}\"]\n"
        ))
    }

    /// The text.
    pub fn text(&self) -> String {
        format!(
            r#"[organization]
name = "Example"
postmaster = "alice@example.test"

[[accepted-domain]]
name = "example.test"
kind = "authoritative"

[[server]]
{server}
[[routing-group]]
name = "main"

[[virtual-server]]
name = "inbound"
server = "mail1"
role = "mx"
listen = ["{listen}"]
{inbound}
[[virtual-server]]
name = "strict"
server = "mail1"
role = "mx"
listen = ["127.0.0.1:0"]

[[virtual-server]]
name = "submission"
server = "mail1"
role = "submission"
listen = ["127.0.0.1:0"]

[[mailbox]]
name = "alice"
addresses = ["alice@example.test", "a.smith@example.test"]
password = "{PASSWORD}"

[[mailbox]]
name = "bob"
addresses = ["bob@example.test"]
password = "{PASSWORD}"

{more}"#,
            server = self.server,
            listen = self.listen,
            inbound = self.inbound,
            more = self.more,
        )
    }
}
