//! A bind by GSSAPI with Kerberos (RFC 4752), inside TLS.
//!
//! Guards: the server proves who it is as well (mutual authentication). What is sent afterwards is protected by TLS, so no
//! layer of the mechanism is taken. Asking Kerberos blocks, so it is done on a thread for that, within the time of the settings.

use super::connection::Connection;
use crate::{LdapError, LdapSettings, ServerUrl};
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};
use tokio::time::timeout;

const MECHANISM: &str = "GSSAPI";
/// Tokens of one login; Kerberos needs two.
const STEPS_MAX: usize = 10;
/// RFC 4752 §3.1: no security layer, and so no size of a buffer.
const NO_LAYER: [u8; 4] = [1, 0, 0, 0];

/// Binds as the user of the settings, or whoever the machine's Kerberos says.
pub(super) async fn bind(
    connection: &mut Connection,
    server: &ServerUrl,
    settings: &LdapSettings,
) -> Result<(), LdapError> {
    let mut context = begin(server, settings).await?;
    let mut said: Option<Vec<u8>> = None;
    for _ in 0..STEPS_MAX {
        let (back, token) = step(context, said.take(), connection.server(), settings).await?;
        context = back;
        let Some(token) = token else {
            // RFC 4752 §3.1: an empty answer, and the server offers its layers.
            return choose_layer(connection, context).await;
        };
        let (answer, done) = connection.sasl(MECHANISM, &token).await?;
        if done {
            // It didn't prove itself by the end of the mechanism.
            return Err(connection.unexpected("a bind"));
        }
        said = Some(answer);
    }
    Err(connection.unexpected("a bind"))
}

async fn begin(server: &ServerUrl, settings: &LdapSettings) -> Result<ClientCtx, LdapError> {
    let target = format!("ldap@{}", server.host);
    let (user, password) = (settings.user.clone(), settings.password.clone());
    let made = move || -> Result<ClientCtx, Error> {
        let mut mechanisms = OidSet::new();
        mechanisms.add(GSS_MECH_KRB5)?;
        let credential = match user.as_str() {
            "" => Cred::acquire(None, None, CredUsage::Initiate, Some(&mechanisms))?,
            user => {
                let name = Name::new(user.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))?;
                let usage = CredUsage::Initiate;
                Cred::acquire_with_password(Some(&name), &password, None, usage, Some(&mechanisms))?
            }
        };
        let target = Name::new(target.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_INTEG_FLAG;
        Ok(ClientCtx::new(
            Some(credential),
            target,
            flags,
            Some(GSS_MECH_KRB5),
        ))
    };
    blocking(&server.to_string(), settings, made).await
}

/// The next token, if there is one.
async fn step(
    mut context: ClientCtx,
    said: Option<Vec<u8>>,
    server: &str,
    settings: &LdapSettings,
) -> Result<(ClientCtx, Option<Vec<u8>>), LdapError> {
    let stepping = move || {
        let token = context.step(said.as_deref(), None)?;
        Ok((context, token.map(|token| token.to_vec())))
    };
    blocking(server, settings, stepping).await
}

async fn blocking<T: Send + 'static>(
    server: &str,
    settings: &LdapSettings,
    what: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, LdapError> {
    let failed = |reason: String| LdapError::Kerberos {
        server: server.to_owned(),
        reason,
    };
    let done = timeout(settings.timeout, tokio::task::spawn_blocking(what)).await;
    match done {
        Ok(Ok(done)) => done.map_err(|error| failed(error.to_string())),
        Ok(Err(_)) => Err(failed("was given up".to_owned())),
        Err(_) => Err(failed("no answer in time".to_owned())),
    }
}

async fn choose_layer(
    connection: &mut Connection,
    mut context: ClientCtx,
) -> Result<(), LdapError> {
    let (offer, _) = connection.sasl(MECHANISM, b"").await?;
    match layer_reply(&mut context, &offer) {
        Ok(reply) => finish(connection, &reply).await,
        Err(reason) => Err(LdapError::Kerberos {
            server: connection.server().to_owned(),
            reason,
        }),
    }
}

async fn finish(connection: &mut Connection, reply: &[u8]) -> Result<(), LdapError> {
    match connection.sasl(MECHANISM, reply).await? {
        (_, true) => Ok(()),
        (_, false) => Err(connection.unexpected("a bind")),
    }
}

/// What is answered to the server's offer of layers.
fn layer_reply(context: &mut ClientCtx, offer: &[u8]) -> Result<Vec<u8>, String> {
    let offer = context.unwrap(offer).map_err(|error| error.to_string())?;
    let layers = offer.first().copied().unwrap_or_default();
    if layers & NO_LAYER[0] == 0 {
        return Err("the server wants a security layer inside TLS".to_owned());
    }
    let reply = context.wrap(false, &NO_LAYER);
    reply
        .map(|reply| reply.to_vec())
        .map_err(|error| error.to_string())
}
