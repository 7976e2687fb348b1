//! What a session asks, answered by the directory, the queue and who else knows.

use super::{Conversation, Stored, wall_clock};
use crate::judge::{self, Asker};
use bridgehead_mail::{Envelope, Event, EventKind, MessageId, Refusal};
use bridgehead_smtp::server::{Ask, LinkStateQuestion, Verdict};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::Instrument;

impl Conversation {
    pub(super) async fn answer(&mut self, ask: Ask<'_>) -> Verdict<Stored> {
        let answer = match ask {
            Ask::Sender(asked) => {
                let own_only = self.rules.settings.own_addresses_only;
                let snapshot = self.world.directory.snapshot();
                let asker = self.asker(asked.user, asked.resolved);
                let (from, size) = (asked.reverse_path, asked.size);
                let judged = judge::sender(&snapshot, asker, own_only, from, size);
                let most = self.rules.settings.max_hold;
                let judged = judged.and_then(|()| judge::hold(asked.handling, most, wall_clock()));
                let judged = judged.and_then(|()| self.room(asked.size));
                // Back pressure: who is slow to be answered is slow to send more.
                if let Ok(delay) = judged
                    && !delay.is_zero()
                {
                    tokio::time::sleep(delay).await;
                }
                judged.map(|_| Verdict::Admit)
            }
            Ask::Recipient(asked) => {
                let snapshot = self.world.directory.snapshot();
                let asker = self.asker(asked.user, asked.resolved);
                let from = asked.reverse_path.address();
                let judged =
                    judge::recipient(&snapshot, asker, from, asked.address, asked.size, || {
                        self.span()
                    });
                if let Err(refusal) = judged {
                    let (recipient, why) = (asked.address, refusal.row().text);
                    tracing::info!(parent: self.span(), %recipient, why, "recipient refused");
                }
                judged.map(|()| Verdict::Admit)
            }
            Ask::Begin { size } => self.begin(size),
            Ask::Commit(envelope) => self.commit(*envelope).await,
            Ask::LinkState(told) => return self.link_state(told),
            Ask::Start { domain, user } => {
                let waiting = self.world.waiting.read().clone();
                waiting
                    .ok_or(Refusal::NotToBeAsked)
                    .and_then(|waiting| waiting.start(user, domain))
                    .map(Verdict::Started)
            }
            Ask::Turn { user, domains } => {
                let waiting = self.world.waiting.read().clone();
                let turn = waiting
                    .ok_or(Refusal::TurnRefused)
                    .and_then(|waiting| waiting.turn(user, domains));
                let refused = turn.as_ref().err().map(|refusal| refusal.row().text);
                tracing::info!(parent: self.span(), user, ?domains, refused, "mail is asked for (ATRN)");
                turn.map(|turn| {
                    self.turn = Some(turn);
                    Verdict::Turn
                })
            }
            Ask::Authenticate(credentials) => {
                let user = &credentials.user;
                let (passwords, directory) = (&self.world.passwords, &self.world.directory);
                let checked = passwords
                    .check(directory, self.address, credentials.clone())
                    .instrument(self.span().clone())
                    .await;
                tracing::info!(parent: self.span(), ?user, right = checked.is_ok(), "authentication");
                checked.map(Verdict::Authenticated)
            }
        };
        answer.unwrap_or_else(|refusal| {
            self.server.counters.refused.fetch_add(1, Ordering::Relaxed);
            Verdict::Refuse(refusal)
        })
    }

    const fn asker<'a>(&self, user: Option<&'a str>, resolved: bool) -> Asker<'a> {
        Asker {
            user,
            trusted: self.client.trusted || self.member.is_some(),
            resolved,
        }
    }

    fn link_state(&self, told: LinkStateQuestion<'_>) -> Verdict<Stored> {
        let Some(sink) = self.world.members.sink() else {
            return Verdict::Reject("link state isn't kept here".into());
        };
        let LinkStateQuestion {
            member,
            place,
            number,
            octets,
        } = told;
        match sink.chunk(member, self.id, place, number, octets) {
            Ok(()) => Verdict::Admit,
            Err(why) => {
                tracing::debug!(parent: self.span(), server = member, why, "link state refused");
                Verdict::Reject(why.into())
            }
        }
    }

    /// How long the reply to a message is delayed, if there is room for it: asked at MAIL, so that nobody sends content in vain
    /// (RFC 1870).
    fn room(&self, size: Option<u64>) -> Result<Duration, Refusal> {
        let room = self.world.queue.check(wall_clock(), size.unwrap_or(0));
        room.map_err(|refused| {
            tracing::warn!(parent: self.span(), %refused, "can't take mail");
            refused.refusal()
        })
    }

    fn begin(&mut self, size: Option<u64>) -> Result<Verdict<Stored>, Refusal> {
        // An older draft must be gone before a new one takes space.
        self.draft = None;
        match self.world.queue.begin(wall_clock(), size) {
            Ok(draft) => {
                self.draft = Some(draft);
                Ok(Verdict::Admit)
            }
            Err(refused) => {
                tracing::warn!(parent: self.span(), %refused, "can't take mail");
                Err(refused.refusal())
            }
        }
    }

    async fn commit(&mut self, mut envelope: Envelope) -> Result<Verdict<Stored>, Refusal> {
        let draft = self.draft.take().ok_or(Refusal::Internal)?;
        let (message, size) = (draft.id(), draft.size());
        envelope.accepted = wall_clock();
        envelope.origin.virtual_server = self.server.name.clone();
        let event = self.accepted(&envelope, message, size);
        match draft.commit(envelope).await {
            Ok(committed) => {
                let counters = &self.server.counters;
                counters.messages.fetch_add(1, Ordering::Relaxed);
                counters.octets.fetch_add(size, Ordering::Relaxed);
                self.taken += 1;
                self.world.track.track(event);
                Ok(Verdict::Stored(Stored(committed)))
            }
            Err(refused) => {
                tracing::error!(parent: self.span(), id = %message, %refused, "can't store a message");
                Err(refused.refusal())
            }
        }
    }

    fn accepted(&self, envelope: &Envelope, message: MessageId, size: u64) -> Event {
        let recipients = envelope.recipients.iter();
        let client = self.client.address.map(|address| {
            let helo = &envelope.origin.helo;
            format!("{helo} [{address}]").into_boxed_str()
        });
        Event {
            at: envelope.accepted,
            message,
            session: Some(self.id),
            kind: EventKind::Accepted {
                from: envelope.reverse_path.clone(),
                recipients: recipients
                    .map(|recipient| recipient.address.clone())
                    .collect(),
                size,
                virtual_server: self.server.name.clone(),
                client,
            },
        }
    }
}
