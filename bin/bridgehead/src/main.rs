//! Bridgehead: the one binary. The command line and the composition root; no policy.

mod admin_client;
mod cli;
mod command;
mod server;

use clap::Parser;
use cli::{Cli, Command};
use std::error::Error;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// Measured against the system's: lookups in a large directory are half as fast again (decision 11).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bridgehead: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, outermost first.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    match &cli.command {
        Command::Init { dir } => command::init(dir),
        Command::Check { files } => command::check(files),
        Command::Report(report) => command::report(report),
        Command::Serve { config } => server_runtime()?.block_on(command::serve(config)),
        Command::Quickstart(options) => server_runtime()?.block_on(command::quickstart(options)),
        Command::Lab(options) => server_runtime()?.block_on(command::lab(options)),
        asking => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(ask(asking))
        }
    }
}

/// The runtime of a server: one worker for each core.
fn server_runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// The commands that ask a running server, or load one.
async fn ask(command: &Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Apply(apply) => command::apply(apply).await?,
        Command::Diff { file, to } => command::diff(file, to).await?,
        Command::Config(config) => command::config(config).await?,
        Command::Directory(directory) => command::directory(directory).await?,
        Command::Export { to } => command::export(to).await?,
        Command::Status { to } => command::status(to).await?,
        Command::Queue(queue) => command::queue(queue).await?,
        Command::Link(link) => command::link(link).await?,
        Command::Server(server) => command::hold_server(server).await?,
        Command::Badmail(badmail) => command::badmail(badmail).await?,
        Command::Message(message) => command::message(message).await?,
        Command::Route(route) => command::route(route).await?,
        Command::Recipient(recipient) => command::recipient(recipient).await?,
        Command::Mailbox(mailbox) => command::mailbox(mailbox).await?,
        Command::Member(member) => command::member(member).await?,
        Command::Bench(bench) => command::bench(bench).await?,
        Command::Quickstart(_)
        | Command::Lab(_)
        | Command::Init { .. }
        | Command::Check { .. }
        | Command::Report(_)
        | Command::Serve { .. } => {}
    }
    Ok(())
}
