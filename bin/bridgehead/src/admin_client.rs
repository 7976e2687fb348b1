//! The client side of the management interface: HTTP over the local admin socket.
//!
//! Guards: answers other than the octets of a message are bounded. Refuses: everything the server refuses, in the
//! server's own words.

use crate::cli::Admin;
use bridgehead_management_api::{PATH_PREFIX, Problem};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use tokio::net::UnixStream;

/// A listing of a million messages is far below this.
const ANSWER_OCTETS_MAX: usize = 512 * 1024 * 1024;

/// Why the running server couldn't be asked, or what it said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("no server answers at {}: is it running, and is --data its data directory?", path.display())]
    NotRunning {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Refused(String),
    #[error("the admin connection broke")]
    Broken(#[from] hyper::Error),
    #[error("the answer can't be understood: {0}")]
    Answer(String),
    #[error("can't write the output")]
    Output(#[from] std::io::Error),
}

/// A connection to the admin socket of a running server.
pub(crate) struct AdminClient {
    sender: SendRequest<Full<Bytes>>,
}

impl AdminClient {
    /// Connects to the server whose data directory or socket was named.
    pub(crate) async fn connect(to: &Admin) -> Result<Self, AdminError> {
        let path = match &to.socket {
            Some(path) => path.clone(),
            None => to.data.join("admin.sock"),
        };
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(source) => return Err(AdminError::NotRunning { path, source }),
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// `GET`, with the answer as a value.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, AdminError> {
        let response = self.send("GET", path, Bytes::new()).await?;
        decode(&collect(response).await?)
    }

    /// `POST` with a body, with the answer as a value.
    pub(crate) async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &B,
    ) -> Result<T, AdminError> {
        let body = serde_json::to_vec(body).map_err(|e| AdminError::Answer(e.to_string()))?;
        let response = self.send("POST", path, Bytes::from(body)).await?;
        decode(&collect(response).await?)
    }

    /// `POST` of octets as they are, with the answer as a value.
    pub(crate) async fn post_octets<T: DeserializeOwned>(
        &mut self,
        path: &str,
        octets: Vec<u8>,
    ) -> Result<T, AdminError> {
        let response = self.send("POST", path, Bytes::from(octets)).await?;
        decode(&collect(response).await?)
    }

    /// `GET`, with the octets of the answer written as they come.
    pub(crate) async fn copy(
        &mut self,
        path: &str,
        to: &mut (dyn std::io::Write + Send),
    ) -> Result<(), AdminError> {
        let response = self.send("GET", path, Bytes::new()).await?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                to.write_all(data)?;
            }
        }
        Ok(to.flush()?)
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, AdminError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{PATH_PREFIX}{path}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| AdminError::Answer(error.to_string()))?;
        let response = self.sender.send_request(request).await?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = collect(response).await?;
        Err(AdminError::Refused(
            match serde_json::from_slice::<Problem>(&body) {
                Ok(problem) => problem.reason,
                Err(_) => format!("the server answered {status}"),
            },
        ))
    }
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, AdminError> {
    let whole = Limited::new(response.into_body(), ANSWER_OCTETS_MAX)
        .collect()
        .await
        .map_err(|error| AdminError::Answer(error.to_string()))?;
    Ok(whole.to_bytes())
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, AdminError> {
    serde_json::from_slice(body).map_err(|error| AdminError::Answer(error.to_string()))
}

/// A text as one segment of a path or one value of a query (RFC 3986 §2.1).
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_stays_one_segment() {
        assert_eq!(quote("a/b?c@d é"), "a%2Fb%3Fc%40d%20%C3%A9");
    }
}
