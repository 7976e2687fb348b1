//! How this organisation's servers ask another server for mail that waits there.

use crate::value::{kind, quote};
use crate::{Key, Name, SmartHost, Value, Wait, choice};
use bridgehead_mail::Domain;
use toml::de::DeValue;

choice! {
    /// By which command mail is asked for.
    FetchBy = "\"etrn\" or \"atrn\"" {
        /// ETRN (RFC 1985): the other server sends what waits to where it would send it anyway.
        #[default]
        Etrn = "etrn",
        /// ATRN (RFC 2645): what waits comes over the connection on which it is asked for.
        Atrn = "atrn",
    }
}

/// Where mail waits for this organisation, and how it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The server to ask.
    pub host: SmartHost,
    /// By which command.
    pub by: FetchBy,
    /// The domains whose mail is asked for; without any, by ATRN, all that may be had.
    pub domains: Vec<Domain>,
    /// How often.
    pub every: Option<Wait>,
    /// The virtual server whose rules hold for what comes by ATRN.
    pub virtual_server: Option<Name>,
}

/// Asking more often than this is no way to wait for mail.
const EVERY_MIN: u64 = 60;
const EVERY_MAX: u64 = 7 * 86_400;
const DOMAINS_MAX: usize = 100;

/// In a box: few connectors have one.
impl Value for Box<Fetch> {
    const SHAPE: &'static str = "a table `{ host = \"mx.provider.example\", by = \"atrn\", domains = [\"example.test\"], every = \"15m\", virtual-server = \"inbound\" }`";

    fn read(value: &DeValue<'_>, about: &Key) -> Result<Self, String> {
        let expected = || format!("{} is expected", Self::SHAPE);
        let table = value.as_table().ok_or_else(expected)?;
        let (mut host, mut by, mut every) = (None, None, None);
        let (mut domains, mut virtual_server) = (Vec::new(), None);
        for (key, value) in table {
            let (key, value) = (key.get_ref().as_ref(), value.get_ref());
            let inside = |reason| format!("{key} in it: {reason}");
            match key {
                "host" => host = Some(SmartHost::read(value, about).map_err(inside)?),
                "by" => by = Some(FetchBy::read(value, about).map_err(inside)?),
                "every" => every = Some(interval(value, about).map_err(inside)?),
                "domains" => domains = list(value, about).map_err(inside)?,
                "virtual-server" => {
                    virtual_server = Some(Name::read(value, about).map_err(inside)?);
                }
                _ => return Err(format!("unknown key {key} in it; {}", expected())),
            }
        }
        let missing = |key: &str| format!("{key} is missing in it; {}", expected());
        Ok(Self::new(Fetch {
            host: host.ok_or_else(|| missing("host"))?,
            by: by.ok_or_else(|| missing("by"))?,
            domains,
            every,
            virtual_server,
        }))
    }

    fn write(&self, out: &mut String) {
        out.push_str("{ host = ");
        self.host.write(out);
        out.push_str(", by = ");
        quote(self.by.as_str(), out);
        if !self.domains.is_empty() {
            out.push_str(", domains = [");
            for (index, domain) in self.domains.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                domain.write(out);
            }
            out.push(']');
        }
        if let Some(every) = self.every {
            out.push_str(", every = ");
            every.write(out);
        }
        if let Some(name) = &self.virtual_server {
            out.push_str(", virtual-server = ");
            name.write(out);
        }
        out.push_str(" }");
    }
}

fn interval(value: &DeValue<'_>, about: &Key) -> Result<Wait, String> {
    let bound = Some((EVERY_MIN, EVERY_MAX));
    Wait::read(value, &Key { bound, ..*about })
}

fn list(value: &DeValue<'_>, about: &Key) -> Result<Vec<Domain>, String> {
    let Some(array) = value.as_array() else {
        return Err(format!(
            "an array of domains is expected, not {}",
            kind(value)
        ));
    };
    if array.len() > DOMAINS_MAX {
        return Err(format!("more than {DOMAINS_MAX} domains"));
    }
    let domains = array.iter();
    domains
        .map(|domain| Domain::read(domain.get_ref(), about))
        .collect()
}
