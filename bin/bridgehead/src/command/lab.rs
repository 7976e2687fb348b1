//! `bridgehead lab`: an organisation of several servers on loopback.

use super::print;
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::Admin;
use crate::cli::lab::Lab;
use crate::server::stop;
use bridgehead_lab::{Ask, BoxFuture, Options, Plan, Script};
use serde_json::Value;
use std::error::Error;
use std::fmt::Display;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long an answer at an admin socket may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Lines that were typed and not looked at yet.
const LINES_MAX: usize = 16;

/// Runs it; an error if anything is missing or doubled.
pub(crate) async fn lab(options: &Lab) -> Result<(), Box<dyn Error>> {
    let script = match &options.script {
        Some(path) => {
            Script::parse(&read(path)?).map_err(|fault| format!("{}: {fault}", path.display()))?
        }
        None => Script::default(),
    };
    let options = Options {
        plan: plan(options)?,
        rate: options.rate,
        duration: options.duration,
        patience: options.patience,
        script,
        map_every: options.once_a,
        redraw: std::io::stdout().is_terminal(),
        folder: options.folder.clone(),
        program: std::env::current_exe()?,
        lines: typed(),
        stop: Box::pin(async {
            // A signal that can't be watched never comes.
            if stop::asked().await.is_err() {
                std::future::pending::<()>().await;
            }
        }),
    };
    let mut say = |text: &str| {
        // Who looks on may have gone; the lab goes on and accounts.
        let _ = print(text);
    };
    let account = bridgehead_lab::run(options, Arc::new(Sockets), &mut say).await?;
    print(&account.text())?;
    match account.is_settled() {
        true => Ok(()),
        false => Err("not every message is where it should be, once".into()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("can't read {}: {error}", path.display()))
}

fn plan(options: &Lab) -> Result<Plan, String> {
    let in_words = |faults: Vec<_>| lines(&faults);
    let plan = match &options.topology {
        Some(path) => Plan::parse(&read(path)?)
            .map_err(|faults| format!("{}: {}", path.display(), lines(&faults))),
        None => Plan::example(options.sites, options.servers_per_site).map_err(in_words),
    };
    Ok(Plan {
        ordinary_retries: options.ordinary_retries,
        ..plan?
    })
}

fn lines<T: Display>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join("\n")
}

/// What is typed. A thread of its own reads it: nobody waits for it at the end.
fn typed() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else {
                return;
            };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The admin sockets of the lab's servers.
struct Sockets;

async fn connect(data: PathBuf) -> Result<AdminClient, AdminError> {
    let to = Admin {
        data,
        socket: None,
        json: true,
    };
    AdminClient::connect(&to).await
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, AdminError>> + Send,
) -> Result<T, String> {
    match timeout(ANSWER_PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("it doesn't answer".to_owned()),
    }
}

impl Ask for Sockets {
    fn get(&self, data: PathBuf, path: String) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(in_time(async move {
            let mut answer = Vec::new();
            connect(data).await?.copy(&path, &mut answer).await?;
            Ok(answer)
        }))
    }

    fn post(
        &self,
        data: PathBuf,
        path: String,
        body: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(in_time(async move {
            let mut server = connect(data).await?;
            let answer: Value = server.post_octets(&path, body).await?;
            Ok(answer.to_string().into_bytes())
        }))
    }
}
