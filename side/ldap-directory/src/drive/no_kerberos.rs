//! Without the feature `gssapi` there is no Kerberos, and that is said.

use super::connection::Connection;
use crate::{LdapError, LdapSettings, ServerUrl};

pub(super) async fn bind(
    _: &mut Connection,
    server: &ServerUrl,
    _: &LdapSettings,
) -> Result<(), LdapError> {
    Err(LdapError::Kerberos {
        server: server.to_string(),
        reason: "this build has none: it needs the feature gssapi".to_owned(),
    })
}
