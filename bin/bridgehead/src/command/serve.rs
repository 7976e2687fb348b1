//! `bridgehead serve`, `init` and `check`.

use super::print;
use crate::server::{Server, logging, stop};
use bridgehead_config::{
    Example, LogFormat, ServerFile, check as check_files, init_organization_file, init_server_file,
};
use bridgehead_directory::{Fault, Name};
use std::error::Error;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Runs the server until it is asked to stop.
pub(crate) async fn serve(config: &Path) -> Result<(), Box<dyn Error>> {
    let file = ServerFile::read(config).map_err(|faults| in_lines(&faults))?;
    start_logging(&file)?;
    let mut server = Server::start(&file).await?;
    announce(&server)?;
    let broken = tokio::select! {
        signal = stop::asked() => {
            tracing::info!(signal = signal?, "stopping: running transactions are finished");
            None
        }
        why = server.broken() => {
            tracing::error!(why, "stopping: the server can't go on");
            Some(why)
        }
    };
    server.stop().await;
    broken.map_or(Ok(()), |why| Err(why.into()))
}

/// Starts logging as the server file says.
pub(crate) fn start_logging(file: &ServerFile) -> Result<(), Box<dyn Error>> {
    let json = file.log_format == LogFormat::Json;
    let started = logging::start(file.log_level.as_str(), json);
    started.map_err(|error| -> Box<dyn Error> { error })
}

fn announce(server: &Server) -> Result<(), Box<dyn Error>> {
    let addresses = server.addresses();
    if addresses.is_empty() {
        tracing::warn!(
            "no virtual server listens: apply an organisation with `bridgehead apply -f FILE`"
        );
    }
    for (name, address) in addresses {
        print(&format!("listening {name} {address}"))?;
    }
    Ok(print("ready")?)
}

fn in_lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Writes a server file and an organisation file to begin with; what is there already stays.
pub(crate) fn init(dir: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(dir)?;
    let name = Name::parse("mail1").ok_or("mail1 is no name")?;
    let server = dir.join("server.toml");
    let organization = dir.join("org.toml");
    write_new(&server, &init_server_file(&name))?;
    write_new(
        &organization,
        &init_organization_file(&Example::on_loopback(name)),
    )?;
    print(&format!(
        "wrote {0} and {1}\nread and change them, then:\n  bridgehead check {0} {1}\n  bridgehead serve --config {0}\nand in another terminal:\n  bridgehead apply -f {1} --data {2}",
        server.display(),
        organization.display(),
        dir.join("data").display(),
    ))?;
    Ok(())
}

/// Makes a new file for its owner only: it may hold passwords.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let opened = options.open(path);
    let mut file = opened.map_err(|error| format!("can't write {}: {error}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Checks files; faults are the answer, and the exit status says whether there were any.
pub(crate) fn check(files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let checked = check_files(files);
    for warning in &checked.warnings {
        print(&format!("warning: {warning}"))?;
    }
    for fault in &checked.faults {
        print(&fault.to_string())?;
    }
    match checked.faults.len() {
        0 => Ok(print("no faults")?),
        count => Err(format!("{count} fault(s)").into()),
    }
}
