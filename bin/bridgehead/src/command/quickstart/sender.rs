//! Sends the quickstart's one message as any mail program would: over TCP, in plain SMTP (RFC 5321).
//!
//! Guards: each answer is bounded in size and time. Not a client for anything else; that one is in `wire/smtp`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
const ANSWER_OCTETS_MAX: usize = 64 * 1024;

/// Sends one message and returns the server's final answer.
///
/// # Errors
/// If the server can't be reached, is silent, or refuses.
pub(super) async fn send(
    to: SocketAddr,
    from: &str,
    recipient: &str,
    content: &str,
) -> io::Result<String> {
    let stream = TcpStream::connect(to).await?;
    let mut server = BufReader::new(stream);
    answer(&mut server, '2').await?;
    for (command, wanted) in [
        ("EHLO quickstart.localhost".to_owned(), '2'),
        (format!("MAIL FROM:<{from}>"), '2'),
        (format!("RCPT TO:<{recipient}>"), '2'),
        ("DATA".to_owned(), '3'),
    ] {
        say(&mut server, &format!("{command}\r\n")).await?;
        answer(&mut server, wanted).await?;
    }
    say(&mut server, &format!("{content}\r\n.\r\n")).await?;
    let accepted = answer(&mut server, '2').await?;
    say(&mut server, "QUIT\r\n").await?;
    answer(&mut server, '2').await?;
    Ok(accepted)
}

async fn say(server: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    server.get_mut().write_all(text.as_bytes()).await
}

/// Reads one answer, which may have several lines (RFC 5321 §4.2.1), and checks its first digit.
async fn answer(server: &mut BufReader<TcpStream>, wanted: char) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let start = text.len();
        let read = timeout(ANSWER_TIME_MAX, server.read_line(&mut text)).await;
        if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if text.len() > ANSWER_OCTETS_MAX {
            return Err(io::Error::other("the answer is too long"));
        }
        let line = text.get(start..).unwrap_or_default();
        if line.as_bytes().get(3) != Some(&b'-') {
            break;
        }
    }
    if text.starts_with(wanted) {
        Ok(text.trim_end().to_owned())
    } else {
        Err(io::Error::other(text.trim_end().to_owned()))
    }
}
