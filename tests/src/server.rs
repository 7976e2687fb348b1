//! The server under test: the built binary in a folder of its own, driven by its command line only.

use crate::organization::Organization;
use crate::process::Guarded;
use crate::{binary, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a stop by SIGTERM may take.
const STOP: Duration = Duration::from_secs(60);
/// How much of the log is shown when a test fails.
const LOG_SHOWN: usize = 16 * 1024;

/// A running server, or one that was stopped and can be started again.
pub struct Server {
    folder: TempDir,
    binary: PathBuf,
    process: Option<Guarded>,
    /// Keeps what the server prints flowing.
    output: Option<mpsc::Receiver<String>>,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Server {
    /// Starts the binary under test and puts the organisation in force.
    pub fn start(organization: &Organization) -> Self {
        Self::start_binary(binary::bridgehead(), organization)
    }

    /// The same with another binary.
    pub fn start_binary(binary: &Path, organization: &Organization) -> Self {
        let mut server = Self::prepare(binary, "");
        server.run(&[]);
        server.apply(organization);
        server
    }

    /// A folder with a server file, and no server yet. `lines` go into the server file.
    pub fn prepare(binary: &Path, lines: &str) -> Self {
        Self::prepare_named("mail1", binary, lines)
    }

    /// The same for a server of another name.
    pub fn prepare_named(name: &str, binary: &Path, lines: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bridgehead-test-")
            .tempdir()
            .expect("a temporary folder");
        let text = format!(
            "name = \"{name}\"\ndata = \"{}/data\"\n{lines}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("server.toml"), text).unwrap();
        Self {
            folder,
            binary: binary.to_owned(),
            process: None,
            output: None,
            addresses: BTreeMap::new(),
        }
    }

    /// Starts it and waits until it is ready; `wrapper` is a program to run it under, as `strace`.
    pub fn run(&mut self, wrapper: &[&str]) {
        let output = self.spawn(wrapper);
        self.await_ready(&output);
        self.output = Some(output);
    }

    /// Starts it and waits for nothing; gives its lines.
    pub fn spawn(&mut self, wrapper: &[&str]) -> mpsc::Receiver<String> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let mut command = match wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        let mut child = command
            .args(["serve", "--config"])
            .arg(self.folder.path().join("server.toml"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} doesn't start: {error}", self.binary.display()));
        let output = follow(child.stdout.take().unwrap());
        self.process = Some(Guarded::new(child));
        output
    }

    /// Reads `listening NAME ADDRESS` until `ready`.
    fn await_ready(&mut self, output: &mpsc::Receiver<String>) {
        self.addresses.clear();
        loop {
            let Ok(line) = output.recv_timeout(wait::LONG) else {
                panic!("the server isn't ready; its log:\n{}", self.log());
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["listening", name, address] => {
                    let address = address.parse().expect("an address behind `listening NAME`");
                    self.addresses.insert(name.to_owned(), address);
                }
                ["ready"] => return,
                _ => {}
            }
        }
    }

    /// Puts an organisation in force and learns where its virtual servers listen.
    pub fn apply(&mut self, organization: &Organization) -> Value {
        self.apply_text(&organization.text())
    }

    /// The same for a text.
    pub fn apply_text(&mut self, organization: &str) -> Value {
        let file = self.folder.path().join("org.toml");
        fs::write(&file, organization).unwrap();
        let result = self.ask(&["apply", "-f", file.to_str().unwrap()]);
        self.learn_addresses();
        result
    }

    /// Learns where its virtual servers listen.
    pub fn learn_addresses(&mut self) {
        let status = self.ask(&["status"]);
        self.addresses.clear();
        for listener in status["listeners"].as_array().unwrap() {
            let name = listener["virtual-server"].as_str().unwrap();
            let address = listener["address"].as_str().unwrap().parse().unwrap();
            self.addresses.insert(name.to_owned(), address);
        }
    }

    /// Where a virtual server listens.
    pub fn address(&self, virtual_server: &str) -> SocketAddr {
        *self
            .addresses
            .get(virtual_server)
            .unwrap_or_else(|| panic!("nothing listens for {virtual_server}: {:?}", self.addresses))
    }

    /// Where mail from other servers arrives; it relays for loopback.
    pub fn inbound(&self) -> SocketAddr {
        self.address("inbound")
    }

    /// The same for strangers.
    pub fn strict(&self) -> SocketAddr {
        self.address("strict")
    }

    /// Where users send.
    pub fn submission(&self) -> SocketAddr {
        self.address("submission")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Guarded::is_running)
    }

    /// A command of the binary against this server.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(&self.binary)
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts")
    }

    /// A command that must work, with its answer as JSON.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        // After a start some questions have no answer until the queue is read; then it says that one is to try again.
        let output = wait::until("a queue that is read", || {
            let output = self.command(&arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            (output.status.success() || !said.contains("try again in a moment")).then_some(output)
        });
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "`bridgehead {}` failed: {}\n{text}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!(
                "`bridgehead {}`: no JSON: {error}: {text}",
                arguments.join(" ")
            )
        })
    }

    /// The uids in a mailbox.
    pub fn uids(&self, mailbox: &str) -> Vec<u64> {
        let list = self.ask(&["mailbox", "messages", mailbox]);
        let messages = list["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| message["uid"].as_u64().unwrap())
            .collect()
    }

    /// One message, octet for octet.
    pub fn cat(&self, mailbox: &str, uid: u64) -> Vec<u8> {
        let output = self.command(&["mailbox", "cat", mailbox, &uid.to_string()]);
        assert!(
            output.status.success(),
            "mailbox cat: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Waits until a mailbox holds this many messages, and gives all of them.
    pub fn mailbox(&self, mailbox: &str, count: usize) -> Vec<Vec<u8>> {
        let uids = wait::until(&format!("{count} messages in {mailbox}"), || {
            let uids = self.uids(mailbox);
            (uids.len() >= count).then_some(uids)
        });
        uids.iter().map(|uid| self.cat(mailbox, *uid)).collect()
    }

    /// Messages in the queue.
    pub fn queued(&self) -> u64 {
        // After a start the list grows until the queue is read.
        let list = wait::until("a queue that is read", || {
            let list = self.ask(&["queue", "list"]);
            list["reading"].is_null().then_some(list)
        });
        list["messages"].as_u64().unwrap()
    }

    /// Waits until nothing is queued.
    pub fn await_empty_queue(&self) {
        wait::until("an empty queue", || (self.queued() == 0).then_some(()));
    }

    /// SIGTERM, and the end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running server");
        process
            .terminate(STOP)
            .unwrap_or_else(|| panic!("SIGTERM doesn't stop the server; its log:\n{}", self.log()))
    }

    /// The end that an abort of the program makes.
    pub fn abort(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running server");
        process.abort()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take()
            && process.terminate(Duration::from_secs(10)).is_none()
        {
            process.kill();
        }
        if std::thread::panicking() {
            let log = self.log();
            let mut start = log.len().saturating_sub(LOG_SHOWN);
            while !log.is_char_boundary(start) {
                start += 1;
            }
            eprintln!("--- the server's log, its end:\n{}", &log[start..]);
        }
    }
}

/// Lines of an output as they come.
fn follow(output: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more: still read on, so that the server never waits for us.
            let _ = sender.send(line);
        }
    });
    receiver
}
