//! `bridgehead quickstart`: a small organisation on loopback, one message through it, and its way step by step.

mod sender;

use super::message::trace_text;
use super::print;
use super::serve::{start_logging, write_new};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Quickstart};
use crate::server::{Server, now, stop};
use bridgehead_config::{Example, ServerFile, init_organization_file};
use bridgehead_directory::{Name, Wish};
use bridgehead_management_api::Trace;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";
/// How long the message may take into the mailbox.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// Runs the show.
pub(crate) async fn quickstart(options: &Quickstart) -> Result<(), Box<dyn Error>> {
    let file = prepare(options)?;
    start_logging(&file)?;
    let server = Server::start(&file).await?;
    let outcome = show(options, &server).await;
    if outcome.is_ok() && !options.once {
        print("\nThe server stays up until Ctrl-C.")?;
        stop::asked().await?;
    }
    server.stop().await;
    outcome
}

/// Makes the data directory with its server file, unless it is there.
fn prepare(options: &Quickstart) -> Result<ServerFile, Box<dyn Error>> {
    std::fs::create_dir_all(&options.data)?;
    let path = options.data.join("server.toml");
    if !path.exists() {
        let text = "# Made by `bridgehead quickstart`. Paths start at the folder of this file.\n\
                    name = \"mail1\"\ndata = \".\"\nlog-level = \"warn\"\n";
        write_new(&path, text)?;
    }
    let file = ServerFile::read(&path);
    Ok(file.map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?)
}

async fn show(options: &Quickstart, server: &Server) -> Result<(), Box<dyn Error>> {
    let data = options.data.display();
    put_in_force(options, server).await?;
    print(&format!(
        "organisation example.test is in force; everything is in {data}"
    ))?;
    for (name, address) in server.addresses() {
        print(&format!("listening {name} {address}"))?;
    }
    let inbound = address_of(server, "inbound").ok_or("nothing listens for SMTP")?;
    print(&format!(
        "\nSending a message from {ALICE} to {BOB} over SMTP at {inbound}"
    ))?;
    let accepted = sender::send(inbound, ALICE, BOB, &content()).await?;
    print(&format!("the server answered: {accepted}\n"))?;
    let id = accepted.rsplit(' ').next().unwrap_or_default().to_owned();
    let trace = await_done(options, &id).await?;
    print(&trace_text(&trace))?;
    let delivered = trace.steps.iter().any(|step| step.step == "delivered");
    if !delivered {
        return Err("the message did not reach the mailbox".into());
    }
    let submission = address_of(server, "submission").unwrap_or(options.submission);
    print(&what_next(options, submission, &id))?;
    Ok(())
}

/// The example organisation at the first start; later the one that is there, at the addresses asked for.
async fn put_in_force(options: &Quickstart, server: &Server) -> Result<(), Box<dyn Error>> {
    let snapshot = server.directory().snapshot();
    let text = if snapshot.version() == 0 {
        example(options)?
    } else {
        let (_, mut organisation) = server.directory().organisation()?;
        for virtual_server in &mut organisation.virtual_servers {
            match virtual_server.name.as_str() {
                "inbound" => virtual_server.listen = vec![options.smtp],
                "submission" => virtual_server.listen = vec![options.submission],
                _ => {}
            }
        }
        organisation.to_text()
    };
    let directory = server.directory().clone();
    let applied = tokio::task::spawn_blocking(move || {
        directory.apply(&Wish {
            text: &text,
            file: "quickstart",
            who: "quickstart",
            why: "the example organisation",
            now: now(),
            expected: None,
            dry_run: false,
            trial_on: &[],
        })
    });
    let change = applied.await?.map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let faults = server.in_force(change.version).await;
    match faults.first() {
        None => Ok(()),
        Some(fault) => Err(fault.clone().into()),
    }
}

/// The example organisation with new passwords, which are kept beside it for its owner.
fn example(options: &Quickstart) -> Result<String, Box<dyn Error>> {
    let [alice, bob, administrator] = [password(), password(), password()];
    let example = Example {
        inbound: options.smtp,
        submission: options.submission,
        alice: Some(&alice),
        bob: Some(&bob),
        administrator: Some(&administrator),
        ..Example::on_loopback(Name::parse("mail1").ok_or("mail1 is no name")?)
    };
    let path = options.data.join("passwords.txt");
    // Left over from a start that was interrupted: nobody has these passwords.
    let _ = std::fs::remove_file(&path);
    let text = format!("alice {alice}\nbob {bob}\nadministrator {administrator}\n");
    write_new(&path, &text)?;
    Ok(init_organization_file(&example))
}

/// 96 random bits in letters that can be read out.
fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789_";
    let mut bits: u128 = rand::random();
    let mut text = String::new();
    for _ in 0..20 {
        let place = usize::try_from(bits & 31).unwrap_or(0);
        text.push(LETTERS.get(place).copied().map_or('_', char::from));
        bits >>= 5;
    }
    text
}

fn address_of(server: &Server, name: &str) -> Option<SocketAddr> {
    let addresses = server.addresses();
    let found = addresses.iter().find(|(known, _)| &**known == name);
    found.map(|(_, address)| *address)
}

fn content() -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: Alice <{ALICE}>\r\nTo: Bob <{BOB}>\r\nSubject: Hello from Bridgehead\r\nDate: {date}\r\n\
         Message-ID: <{}@example.test>\r\n\r\nThis message took the whole way: SMTP, queue, categorizer, routing, store.",
        now().as_millis()
    )
}

/// Asks for the trace, as the command line does, until nothing is left to do.
async fn await_done(options: &Quickstart, id: &str) -> Result<Trace, Box<dyn Error>> {
    let to = Admin {
        data: options.data.clone(),
        socket: None,
        json: false,
    };
    let path = format!("/messages/{id}/trace");
    let poll = async {
        loop {
            let mut server = AdminClient::connect(&to).await?;
            let trace: Trace = server.get(&path).await?;
            if trace.steps.iter().any(|step| step.step == "done") {
                return Ok::<Trace, AdminError>(trace);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(DELIVERED_WITHIN, poll).await;
    Ok(waited.map_err(|_| "the message did not reach the mailbox in time")??)
}

fn what_next(options: &Quickstart, submission: SocketAddr, id: &str) -> String {
    let data = shell_word(&options.data);
    format!(
        "\nIt is in bob's mailbox. Try in another terminal:\n\
         \x20 bridgehead mailbox messages bob --data {data}\n\
         \x20 bridgehead mailbox cat bob 1 --data {data}\n\
         \x20 bridgehead message trace {id} --data {data}\n\
         \x20 bridgehead recipient explain postmaster@example.test --data {data}\n\
         \x20 bridgehead export --data {data} > org.toml     # the organisation as a file\n\
         \x20 bridgehead apply -f org.toml --data {data}      # after you changed it\n\
         Users log in at {submission} with the passwords in {}.\n\
         (`bridgehead` is target/release/bridgehead, or `cargo run --release --`.)",
        shell_word(&options.data.join("passwords.txt")),
    )
}

/// A path as a word for the shell.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
