//! The processes of the servers: started in folders of their own, ready when their admin sockets answer, ended by pid.

use super::{Ask, LabError, ask_json};
use crate::organization;
use crate::plan::Plan;
use bridgehead_management_api::{ApplyRequest, ApplyResult, Status};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long a server may take to be ready, and to stop.
const READY_PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const KEY_PATIENCE: Duration = Duration::from_secs(30);
/// What a program says of its failure is shown up to here.
const SAID_MAX: usize = 1000;

/// One server.
pub(super) struct Server {
    pub(super) name: String,
    folder: PathBuf,
    program: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Its folder with a server file; no process yet.
    pub(super) fn prepare(program: &Path, all: &Path, name: &str) -> Result<Self, LabError> {
        let folder = all.join(name);
        let server = Self {
            name: name.to_owned(),
            program: program.to_owned(),
            child: None,
            folder,
        };
        let failed = |source| LabError::Folder {
            path: server.folder.clone(),
            source,
        };
        // The key of the member is made in the data directory before the server's first start; it is nobody else's business.
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        folders.create(server.data()).map_err(failed)?;
        // Paths in it start at its folder.
        let text = format!("name = \"{name}\"\ndata = \"data\"\nlog-level = \"info\"\n");
        std::fs::write(server.folder.join("server.toml"), text).map_err(failed)?;
        Ok(server)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its key as a member, which is made if it has none: without it other servers wouldn't talk to it.
    pub(super) async fn member_key(&self) -> Result<String, LabError> {
        let refused = |why: String| LabError::Key {
            server: self.name.clone(),
            why,
        };
        let mut command = Command::new(&self.program);
        command
            .args(["member", "key", "--data"])
            .arg(self.data())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(KEY_PATIENCE, command.output()).await;
        let output = output.map_err(|_| refused("`member key` doesn't end".to_owned()))?;
        let output = output.map_err(|error| refused(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(refused(said.trim().chars().take(SAID_MAX).collect()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut words = text.split_whitespace();
        let key = words.find(|word| word.starts_with("ed25519:") && word.len() < 200);
        key.map(str::to_owned)
            .ok_or_else(|| refused("`member key` shows none".to_owned()))
    }

    /// Starts the process; [`Self::ready`] waits for it.
    pub(super) fn spawn(&mut self) -> Result<(), LabError> {
        if self.is_running() {
            return Err(LabError::Order(format!("{} is running", self.name)));
        }
        let failed = |source| LabError::Start {
            server: self.name.clone(),
            source,
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"));
        let log = log.map_err(failed)?;
        let out = log.try_clone().map_err(failed)?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--config"])
            .arg(self.folder.join("server.toml"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log)
            // A Ctrl-C is for the lab, which ends its servers itself.
            .process_group(0)
            .kill_on_drop(true);
        self.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    pub(super) fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits until it answers.
    pub(super) async fn ready(&mut self, ask: &dyn Ask) -> Result<Status, LabError> {
        let answers = async {
            loop {
                if !self.is_running() {
                    return None;
                }
                if let Ok(status) = ask_json::<Status>(ask, &self.data(), "/status").await {
                    return Some(status);
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(READY_PATIENCE, answers).await {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(self.not_ready("it has ended")),
            Err(_) => Err(self.not_ready("it doesn't answer")),
        }
    }

    fn not_ready(&self, why: &str) -> LabError {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        LabError::NotReady {
            server: self.name.clone(),
            why: why.to_owned(),
            log: lines.join("\n"),
        }
    }

    /// Puts the organisation in force.
    pub(super) async fn apply(&self, ask: &dyn Ask, text: String) -> Result<(), LabError> {
        let request = ApplyRequest {
            text,
            file: "lab".to_owned(),
            why: "the lab".to_owned(),
            ..ApplyRequest::default()
        };
        let refused = |why: String| LabError::Organization {
            server: self.name.clone(),
            why,
        };
        let body = serde_json::to_vec(&request).map_err(|error| refused(error.to_string()))?;
        let answer = ask
            .post(self.data(), "/organization".to_owned(), body)
            .await;
        let answer = answer.map_err(refused)?;
        let result: ApplyResult =
            serde_json::from_slice(&answer).map_err(|error| refused(error.to_string()))?;
        let faults = result.faults.iter().filter(|fault| !fault.warning);
        let faults: Vec<String> = faults.map(|fault| format!("{fault:?}")).collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(refused(faults.join("; "))),
        }
    }

    /// Ends it at once.
    pub(super) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
    }

    /// Asks it to stop; [`Self::stopped`] waits for it.
    pub(super) fn ask_to_stop(&mut self) {
        let child = self.child.as_mut();
        // A child that was waited for has no id any more, so that nobody else is meant.
        let id = child.and_then(|child| child.id());
        let id = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            let _ = kill_process(id, Signal::TERM);
        }
    }

    /// Waits until it has stopped; ends it if that takes too long.
    pub(super) async fn stopped(&mut self) {
        if let Some(child) = &mut self.child
            && timeout(STOP_PATIENCE, child.wait()).await.is_err()
        {
            let _ = child.kill().await;
        }
        self.child = None;
    }
}

/// Where a server takes mail.
pub(super) fn smtp_address(status: &Status, server: &str) -> Option<SocketAddr> {
    let name = format!("in-{server}");
    let mut listeners = status.listeners.iter();
    let found = listeners.find(|listener| listener.virtual_server == name);
    found.and_then(|listener| listener.address.parse().ok())
}

/// The text of the organisation for each server.
pub(super) fn views(
    plan: &Plan,
    ways: &BTreeMap<(String, String), SocketAddr>,
    keys: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let servers = plan.servers();
    let views = servers.map(|(_, name)| (name.clone(), organization::text(plan, name, ways, keys)));
    views.collect()
}
