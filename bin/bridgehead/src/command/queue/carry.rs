//! Messages as files, out of the queue and into it.

use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::Admin;
use crate::command::{print, print_json};
use bridgehead_management_api::Imported;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// `bridgehead queue export`: each message into a new file of its own that only its owner may read.
pub(crate) async fn export(ids: &[String], into: &Path, to: &Admin) -> Result<(), AdminError> {
    for id in ids {
        let mut server = AdminClient::connect(to).await?;
        let mut octets = Vec::new();
        let path = format!("/messages/{}/export", quote(id));
        server.copy(&path, &mut octets).await?;
        let file = into.join(format!("{id}.eml"));
        let mut options = OpenOptions::new();
        let mut opened = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)?;
        std::io::Write::write_all(&mut opened, &octets)?;
        opened.sync_all()?;
        print(&file.display().to_string())?;
    }
    Ok(())
}

/// `bridgehead queue import`.
pub(crate) async fn import(files: &[PathBuf], to: &Admin) -> Result<(), AdminError> {
    for file in files {
        let octets = std::fs::read(file)?;
        let mut server = AdminClient::connect(to).await?;
        let imported: Imported = server.post_octets("/queue/import", octets).await?;
        if to.json {
            print_json(&imported)?;
        } else {
            print(&format!("{} is message {}", file.display(), imported.id))?;
        }
    }
    Ok(())
}
