//! Values of keys that say how much goes to a destination, how often and when.

use crate::value::{number, quote, string};
use crate::{Key, Pattern, Value};
use bridgehead_mail::{Hours, Rate};
use jiff::tz::TimeZone;
use toml::de::DeValue;

impl Value for Rate {
    const SHAPE: &'static str = "a rate";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a rate as `5/s`")?;
        let fault = || format!("\"{text}\": a rate is expected, as `5/s`, `100/min` or `1000/h`");
        Self::parse(text).ok_or_else(fault)
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

impl Value for Hours {
    const SHAPE: &'static str = "days and times, as `Mon-Fri 18:00-06:00`";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, Self::SHAPE)?;
        Self::parse(text).ok_or_else(|| {
            format!(
                "\"{text}\": days and times are expected, as `Mon-Fri 18:00-06:00` or `Sat,Sun 00:00-24:00`"
            )
        })
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

/// A time zone of the machine's database, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Box<str>);

impl Zone {
    /// Its rules; UTC if the machine doesn't know it any more.
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

impl Value for Zone {
    const SHAPE: &'static str = "a time zone, as `Europe/Amsterdam`";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, Self::SHAPE)?;
        TimeZone::get(text).map_err(|_| {
            format!(
                "\"{text}\": a time zone that this machine knows is expected, as `Europe/Amsterdam` or `UTC`"
            )
        })?;
        Ok(Self(text.into()))
    }

    fn write(&self, out: &mut String) {
        quote(&self.0, out);
    }
}

/// Limits for each final domain of a pattern; what isn't named holds as for the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainLimit {
    /// Which domains.
    pub domain: Pattern,
    /// Connections at once.
    pub max_connections: Option<u32>,
    /// How often a message.
    pub message_rate: Option<Rate>,
    /// How often a new connection.
    pub connection_rate: Option<Rate>,
}

impl Value for DomainLimit {
    const SHAPE: &'static str = "a table `{ domain = \"example.net\", max-connections = 2, message-rate = \"5/s\", connection-rate = \"1/s\" }`";

    fn read(value: &DeValue<'_>, about: &Key) -> Result<Self, String> {
        const CONNECTIONS_MAX: u64 = 1000;
        let expected = || format!("{} is expected", Self::SHAPE);
        let table = value.as_table().ok_or_else(expected)?;
        let (mut domain, mut max_connections) = (None, None);
        let (mut message_rate, mut connection_rate) = (None, None);
        for (key, value) in table {
            let (key, value) = (key.get_ref().as_ref(), value.get_ref());
            match key {
                "domain" => {
                    let text = string(value, "a pattern")?;
                    let pattern = Pattern::parse(text).ok_or_else(|| {
                        format!("\"{text}\": a pattern is expected: `*`, `example.net` or `*.example.net`")
                    })?;
                    domain = Some(pattern);
                }
                "max-connections" => {
                    let count = number(value).filter(|count| (1..=CONNECTIONS_MAX).contains(count));
                    let count = count.and_then(|count| u32::try_from(count).ok());
                    max_connections = Some(count.ok_or_else(|| {
                        format!("max-connections in it must be from 1 to {CONNECTIONS_MAX}")
                    })?);
                }
                "message-rate" => message_rate = Some(Rate::read(value, about)?),
                "connection-rate" => connection_rate = Some(Rate::read(value, about)?),
                _ => return Err(format!("unknown key in it; {}", expected())),
            }
        }
        let says_nothing =
            max_connections.is_none() && message_rate.is_none() && connection_rate.is_none();
        match domain {
            Some(domain) if !says_nothing => Ok(Self {
                domain,
                max_connections,
                message_rate,
                connection_rate,
            }),
            _ => Err(expected()),
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str("{ domain = ");
        quote(&self.domain.to_string(), out);
        if let Some(count) = self.max_connections {
            out.push_str(&format!(", max-connections = {count}"));
        }
        let rates = [
            ("message-rate", self.message_rate),
            ("connection-rate", self.connection_rate),
        ];
        for (name, rate) in rates {
            if let Some(rate) = rate {
                out.push_str(&format!(", {name} = "));
                rate.write(out);
            }
        }
        out.push_str(" }");
    }
}
