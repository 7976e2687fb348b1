//! `bridgehead member key|list`.

use super::{print, print_json, row, table};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Member};
use crate::server::member_folder;
use bridgehead_config::ServerFile;
use bridgehead_directory::MemberKey;
use bridgehead_management_api::{Export, Status};
use bridgehead_membership::OwnKey;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::Path;

/// Runs one of the member's commands.
pub(crate) async fn member(command: &Member) -> Result<(), Box<dyn Error>> {
    match command {
        Member::Key { data, config } => key(data, config.as_deref()),
        Member::List { to } => Ok(list(to).await?),
    }
}

fn key(data: &Path, config: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let read;
    let data = match config {
        Some(config) => {
            read = ServerFile::read(config).map_err(|faults| {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                lines.join("\n")
            })?;
            &read.data
        }
        None if !data.is_dir() => {
            let data = data.display();
            return Err(format!("there is no data directory {data}: name it with --data").into());
        }
        None => data,
    };
    let own = OwnKey::open(&member_folder(data))?;
    Ok(print(&MemberKey(own.public()).to_string())?)
}

/// What counts here of an organisation's text.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    server: Vec<WrittenServer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenServer {
    name: String,
    #[serde(default)]
    member_keys: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed {
    server: String,
    keys: Vec<String>,
    state: &'static str,
}

async fn list(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let status: Status = server.get("/status").await?;
    let export: Export = server.get("/organization").await?;
    let written: Written =
        toml::from_str(&export.text).map_err(|error| AdminError::Answer(error.to_string()))?;
    // Read only: to make a key is the server's business.
    let own = OwnKey::find(&member_folder(&to.data)).ok().flatten();
    let own = own.map(|own| MemberKey(own.public()).to_string());
    let listed = written.server.into_iter().map(|one| {
        let state = if one.name.eq_ignore_ascii_case(&status.server) {
            own_state(own.as_deref(), &one.member_keys)
        } else if one.member_keys.is_empty() {
            "no key: nothing is exchanged with it"
        } else {
            "has a key"
        };
        Listed {
            server: one.name,
            keys: one.member_keys,
            state,
        }
    });
    let listed: Vec<Listed> = listed.collect();
    if to.json {
        return print_json(&listed);
    }
    let mut rows = vec![row(["SERVER", "KEYS", "STATE"])];
    rows.extend(
        listed
            .iter()
            .map(|one| row([&one.server, &one.keys.len().to_string(), one.state])),
    );
    print(&table(&rows))
}

fn own_state(own: Option<&str>, named: &[String]) -> &'static str {
    match own {
        None => "this server; its key can't be read here (--data names its data directory)",
        Some(own) if named.iter().any(|key| key == own) => {
            "this server; its key is in the directory"
        }
        Some(_) if named.is_empty() => {
            "this server; its key isn't in the directory: add what `bridgehead member key` prints"
        }
        Some(_) => {
            "this server; the directory has other keys than its own: add what `bridgehead member key` prints"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_the_own_key_says_what_to_do() {
        let named = ["a".to_owned()];
        assert!(own_state(Some("a"), &named).ends_with("is in the directory"));
        assert!(own_state(Some("b"), &named).contains("other keys"));
        assert!(own_state(Some("b"), &[]).contains("member key"));
        assert!(own_state(None, &named).contains("--data"));
    }
}
