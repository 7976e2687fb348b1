//! Passwords that another directory knows: checked by asking it (LDAP bind), never kept here.

use std::fmt;
use std::pin::Pin;

/// The answer of a bind, later.
pub type Bound<'a> = Pin<Box<dyn Future<Output = Result<bool, BindError>> + Send + 'a>>;

/// Who can ask the directory.
pub trait Bind: fmt::Debug + Send + Sync {
    /// Whether this is the password of the entry with this DN. Answers within a bounded time. An empty password is
    /// never right (RFC 4513 §5.1.2: a bind with it succeeds without a check).
    fn bind<'a>(&'a self, place: &'a str, password: &'a str) -> Bound<'a>;
}

/// The directory couldn't be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory can't check a password: {0}")]
pub struct BindError(pub String);
