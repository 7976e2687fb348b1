//! Log lines: text for people or JSON for programs, on standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging with a filter such as `info` or `bridgehead_queue=debug,info`. The variable
/// `BRIDGEHEAD_LOG` wins over it.
///
/// # Errors
/// If logging was started before.
pub(crate) fn start(
    filter: &str,
    json: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = match std::env::var("BRIDGEHEAD_LOG") {
        Ok(from_environment) => EnvFilter::try_new(from_environment)?,
        Err(_) => EnvFilter::try_new(filter)?,
    };
    let lines = fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if json {
        lines.json().flatten_event(true).try_init()?;
    } else {
        lines.try_init()?;
    }
    Ok(())
}
