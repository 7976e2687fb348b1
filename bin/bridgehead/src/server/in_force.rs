//! Follows the directory: each new version becomes settings of the rooms, and is put in force without a restart.
//!
//! Guards: what is wrong with a version is said, and the last good settings stay.

use super::explain::Wiring;
use super::links::LinkState;
use super::members::{self, Publishing, Standing};
use bridgehead_badmail::Badmail;
use bridgehead_config::RoomSettings;
use bridgehead_delivery::Delivery;
use bridgehead_directory::{Directory, Snapshot};
use bridgehead_listener::Listener;
use bridgehead_management::InForce;
use bridgehead_membership::OwnKey;
use bridgehead_queue::Queue;
use bridgehead_routing::{Links, Table};
use bridgehead_transport::{Transport, World};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is needed to put a version in force.
pub(super) struct Follower {
    pub(super) server: String,
    pub(super) data: PathBuf,
    /// The folder of the queue where the organisation names none.
    pub(super) queue_home: PathBuf,
    pub(super) directory: Directory,
    pub(super) queue: Queue,
    pub(super) delivery: Delivery,
    pub(super) badmail: Badmail,
    pub(super) transport: Transport,
    pub(super) listener: Listener,
    pub(super) wiring: Arc<Wiring>,
    pub(super) links: Arc<LinkState>,
    pub(super) own_key: OwnKey,
    /// None: the server doesn't write its key into the directory itself.
    pub(super) publishing: Option<Publishing>,
    pub(super) said: watch::Sender<InForce>,
}

impl Follower {
    /// Puts the present version in force, then follows the directory.
    pub(super) async fn start(self) -> JoinHandle<()> {
        let mut versions = self.directory.watch();
        versions.mark_unchanged();
        let mut configuration = self.put_in_force(None).await;
        tokio::spawn(async move {
            while versions.changed().await.is_ok() {
                configuration = self.put_in_force(Some(configuration)).await;
            }
        })
    }

    /// Puts the newest snapshot in force, and tells which configuration that is. `before` is the one in force.
    async fn put_in_force(&self, before: Option<u64>) -> u64 {
        let snapshot = self.directory.snapshot();
        let version = snapshot.version();
        let configuration = snapshot.configuration_revision();
        if before == Some(configuration) {
            // Only recipients have changed: the ways and the settings stay.
            self.transport.learn(&snapshot);
            self.said.send_modify(|said| said.version = version);
            return configuration;
        }
        let faults = self.apply(snapshot).await;
        for fault in &faults {
            tracing::warn!(version, fault, "not in force");
        }
        match version {
            0 => tracing::info!("there is no organisation yet: bridgehead apply -f FILE makes one"),
            _ => tracing::info!(version, "the organisation is in force"),
        }
        self.said.send_replace(InForce { version, faults });
        configuration
    }

    async fn apply(&self, snapshot: Arc<Snapshot>) -> Vec<String> {
        if snapshot.configuration().organization.is_none() {
            // A new server before its first apply: nothing to put in force, and nothing wrong.
            return Vec::new();
        }
        let settings = bridgehead_config::settings(&snapshot, &self.server, &self.data);
        let RoomSettings {
            listener,
            routing,
            delivery,
            transport,
            queue,
            queue_folder,
            badmail,
            faults,
            topology,
        } = match settings {
            Ok(settings) => settings,
            Err(faults) => return faults.iter().map(ToString::to_string).collect(),
        };
        self.join(&snapshot);
        let roster = members::roster(&delivery.members);
        let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        if let Err(error) = self.listener.set_members(&self.own_key, roster) {
            faults.push(crate::chain(&error));
        }
        self.queue.apply(queue);
        let others = delivery.members.clone();
        let untrusted = self.delivery.apply(delivery);
        faults.extend(untrusted.iter().map(ToString::to_string));
        self.badmail.apply(badmail);
        self.turn_corridor_to(snapshot, &routing, transport);
        self.links.apply(topology, &others).await;
        faults.extend(self.turn_queue_to(queue_folder).await);
        if let Err(error) = self.listener.apply(listener).await {
            faults.push(crate::chain(&error));
        }
        faults
    }

    /// The corridor goes by this from now on.
    fn turn_corridor_to(
        &self,
        snapshot: Arc<Snapshot>,
        routing: &bridgehead_routing::Settings,
        transport: bridgehead_transport::Settings,
    ) {
        let _turn = self.links.turn();
        let routing = Arc::new(self.table(routing));
        self.wiring.set_routing(Arc::clone(&routing));
        self.transport.apply(World {
            snapshot,
            routing,
            settings: Arc::new(transport),
        });
    }

    /// The routing table. What is known of the links stays as long as the topology does.
    fn table(&self, settings: &bridgehead_routing::Settings) -> Table {
        let before = self.wiring.routing();
        match before.settings().topology == settings.topology {
            true => Table::build(settings, before.links_in_force()),
            false => Table::build(settings, &Links::default()),
        }
    }

    /// Sees to it that the other servers can know this one by its key, or says that they can't.
    fn join(&self, snapshot: &Snapshot) {
        let (server, own) = (&self.server, &self.own_key);
        match (members::standing(snapshot, server, own), &self.publishing) {
            (Standing::Keyless, Some(publishing)) => {
                return publishing.begin(&self.directory, server, own);
            }
            (Standing::Keyless | Standing::OtherKeys, _) if members::has_others(snapshot) => {
                members::warn(server, own);
            }
            _ => {}
        }
        if let Some(publishing) = &self.publishing {
            publishing.end();
        }
    }

    /// New mail goes to this folder; returns why not, if it can't.
    async fn turn_queue_to(&self, folder: Option<PathBuf>) -> Option<String> {
        let folder = folder.unwrap_or_else(|| self.queue_home.clone());
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let queue = self.queue.clone();
        let turned = tokio::task::spawn_blocking(move || queue.turn_to(&folder)).await;
        match turned {
            Ok(Ok(_)) => None,
            Ok(Err(fault)) => Some(format!("queue-folder: {fault}; mail goes on where it was")),
            Err(error) => Some(format!("queue-folder: {error}")),
        }
    }
}
