//! What is written on a connection, and the replies that are read.
//!
//! Guards: all of it has time limits; without a reply in time the connection is gone. What of it comes to something is noted.

use super::{Connection, LEAVE_PATIENCE, READ_OCTETS, lost};
use bridgehead_mail::Failure;
use bridgehead_smtp::reply::{ReplyReader, ServerReply};
use std::fmt::Display;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

impl Connection {
    /// Takes leave: what the other side says to it doesn't matter any more.
    pub(in crate::drive) async fn quit(mut self) {
        self.deadline = Some(Instant::now() + LEAVE_PATIENCE);
        if self.is_open() && self.write(b"QUIT\r\n").await.is_ok() {
            let _ = self.reply(LEAVE_PATIENCE).await;
        }
    }

    /// Not longer than until the deadline.
    fn at_most(&self, patience: Duration) -> Duration {
        let left = self
            .deadline
            .map(|end| end.saturating_duration_since(Instant::now()));
        left.map_or(patience, |left| patience.min(left))
    }

    /// Writes all of it; what isn't taken in time is lost.
    pub(in crate::drive) async fn write(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let patience = self.at_most(self.connector.command_timeout);
        let lost = |why: &dyn Display| lost(&self.label, why);
        let Some(stream) = &mut self.stream else {
            return Err(lost(&"it was closed"));
        };
        let written = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => {
                self.progress.made();
                Ok(())
            }
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(lost(&"nothing was taken in time")),
        }
    }

    /// The next reply, within the time that a command may take.
    pub(in crate::drive) async fn reply_in_time(&mut self) -> Result<ServerReply, Failure> {
        self.reply(self.patience).await
    }

    /// The next reply, within a time for all of it.
    pub(in crate::drive) async fn reply(
        &mut self,
        patience: Duration,
    ) -> Result<ServerReply, Failure> {
        let reply = match timeout(self.at_most(patience), self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(lost(&self.label, &"no reply in time")),
        };
        if reply.is_err() {
            self.stream = None;
        }
        reply
    }

    async fn read_reply(&mut self) -> Result<ServerReply, Failure> {
        let mut reader = ReplyReader::default();
        loop {
            if !self.unread.is_empty() {
                let (eaten, reply) = reader
                    .receive(&self.unread)
                    .map_err(|fault| lost(&self.label, &fault))?;
                self.unread.drain(..eaten);
                if let Some(reply) = reply {
                    return Ok(reply);
                }
            }
            let Some(stream) = &mut self.stream else {
                return Err(lost(&self.label, &"it was closed"));
            };
            self.unread.resize(READ_OCTETS, 0);
            let read = stream.read(&mut self.unread).await;
            self.unread.truncate(*read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(lost(&self.label, &"the other side closed it")),
                Ok(_) => self.progress.made(),
                Err(error) => return Err(lost(&self.label, &error)),
            }
        }
    }
}
