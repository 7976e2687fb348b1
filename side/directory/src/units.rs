//! Sizes and durations as values of keys.

use crate::value::{number, quote, string, within};
use crate::{Key, Value};
use bridgehead_mail::{Size, Wait};
use toml::de::DeValue;

impl Value for Size {
    const SHAPE: &'static str = "a size";

    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, String> {
        let size = match number(value) {
            Some(octets) => Self(octets),
            None => {
                let text = string(value, "a size as `50 MiB`")?;
                let fault = || {
                    format!("\"{text}\": a size is expected, as `50 MiB` (units B, KiB, MiB, GiB)")
                };
                Self::parse(text).ok_or_else(fault)?
            }
        };
        within(size.0, key, |octets| Self(octets).to_string()).map(Self)
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

impl Value for Wait {
    const SHAPE: &'static str = "a duration";

    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, String> {
        let text = string(value, "a duration as `90s` or `4h`")?;
        let fault = || {
            format!(
                "\"{text}\": a duration from one second up is expected, as `90s`, `1m`, `4h` or `2d`"
            )
        };
        let wait = Self::parse(text).ok_or_else(fault)?;
        within(wait.as_secs(), key, |seconds| {
            Self::from_secs(seconds).to_string()
        })
        .map(Self::from_secs)
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}
