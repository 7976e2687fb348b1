//! Enhanced mail system status codes (RFC 3463).

use std::fmt;
use std::str::FromStr;

/// The first number of a status code: what became of it (RFC 3463 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusClass {
    /// `2`: done.
    Success,
    /// `4`: not now; the same thing may work later.
    Transient,
    /// `5`: not like this; sending it again unchanged won't help.
    Permanent,
}

/// An enhanced status code such as `5.1.1`: class, subject, detail (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode {
    class: StatusClass,
    subject: u16,
    detail: u16,
}

/// The text isn't an enhanced status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an enhanced status code: class.subject.detail is expected, as in 5.1.1")]
pub struct StatusCodeError;

impl StatusCode {
    /// A code of the class success.
    #[must_use]
    pub const fn success(subject: u16, detail: u16) -> Self {
        Self::new(StatusClass::Success, subject, detail)
    }

    /// A code of the class persistent transient failure.
    #[must_use]
    pub const fn transient(subject: u16, detail: u16) -> Self {
        Self::new(StatusClass::Transient, subject, detail)
    }

    /// A code of the class permanent failure.
    #[must_use]
    pub const fn permanent(subject: u16, detail: u16) -> Self {
        Self::new(StatusClass::Permanent, subject, detail)
    }

    /// Any code; subject and detail have at most three digits and are cut to 999.
    #[must_use]
    pub const fn new(class: StatusClass, subject: u16, detail: u16) -> Self {
        const MOST: u16 = 999;
        Self {
            class,
            subject: if subject > MOST { MOST } else { subject },
            detail: if detail > MOST { MOST } else { detail },
        }
    }

    /// What became of it.
    #[must_use]
    pub const fn class(self) -> StatusClass {
        self.class
    }

    /// The second number: what it is about (RFC 3463 §3.2 to §3.8).
    #[must_use]
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// The third number: the detail.
    #[must_use]
    pub const fn detail(self) -> u16 {
        self.detail
    }

    /// The same subject and detail in another class, as when a transient failure expires.
    #[must_use]
    pub const fn with_class(self, class: StatusClass) -> Self {
        Self::new(class, self.subject, self.detail)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            StatusClass::Success => 2,
            StatusClass::Transient => 4,
            StatusClass::Permanent => 5,
        };
        write!(f, "{class}.{}.{}", self.subject, self.detail)
    }
}

impl FromStr for StatusCode {
    type Err = StatusCodeError;

    fn from_str(text: &str) -> Result<Self, StatusCodeError> {
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => StatusClass::Success,
            Some("4") => StatusClass::Transient,
            Some("5") => StatusClass::Permanent,
            _ => return Err(StatusCodeError),
        };
        let subject = number(parts.next())?;
        let detail = number(parts.next())?;
        match parts.next() {
            None => Ok(Self::new(class, subject, detail)),
            Some(_) => Err(StatusCodeError),
        }
    }
}

/// One to three digits (RFC 3463 §2: `subject = 1*3digit`).
fn number(text: Option<&str>) -> Result<u16, StatusCodeError> {
    let digits = text.ok_or(StatusCodeError)?;
    let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fits {
        return Err(StatusCodeError);
    }
    digits.parse().map_err(|_| StatusCodeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_out_and_back() {
        for text in ["2.0.0", "4.4.7", "5.1.1", "5.999.999"] {
            assert_eq!(
                text.parse::<StatusCode>().map(|code| code.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn text_that_is_no_code_is_refused() {
        for text in [
            "", "5", "5.1", "5.1.1.1", "3.1.1", "5.1000.1", "5.+1.1", "5..1",
        ] {
            assert_eq!(text.parse::<StatusCode>(), Err(StatusCodeError), "{text}");
        }
    }
}
