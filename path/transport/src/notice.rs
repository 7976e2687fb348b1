//! What the postmaster is told: that a message was set aside, because its processing ended workers.
//!
//! Guards: a notice about a notice is never made, and only so many in an hour: the log and the queue have the rest.

use crate::report::envelope;
use crate::settings::Settings;
use bridgehead_mail::{Address, Envelope, MessageId, Timestamp};
use bridgehead_mime::date_time;
use std::time::Duration;

/// The room that makes notices, as an envelope's origin names it.
pub(crate) const NOTICE: &str = "(notice)";
/// So many notices in an hour.
const AN_HOUR_MOST: u32 = 20;
const HOUR: Duration = Duration::from_secs(3600);

/// How many were made lately.
#[derive(Debug, Default)]
pub(crate) struct Moderation {
    since: Timestamp,
    count: u32,
}

impl Moderation {
    /// Whether another may be made.
    pub(crate) fn allows(&mut self, now: Timestamp) -> bool {
        // Also where the clock went back.
        if self.count == 0 || now >= self.since.after(HOUR) || now < self.since {
            self.since = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count <= AN_HOUR_MOST
    }
}

/// A message that was set aside, and how its processing ended.
pub(crate) struct SetAside<'a> {
    pub(crate) message: MessageId,
    pub(crate) how: &'a str,
    /// Its envelope, if it can be read.
    pub(crate) envelope: Option<&'a Envelope>,
}

impl SetAside<'_> {
    /// Whether it is itself a notice.
    pub(crate) fn is_notice(&self) -> bool {
        self.envelope
            .is_some_and(|envelope| *envelope.origin.virtual_server == *NOTICE)
    }

    /// The notice: its envelope and its octets.
    pub(crate) fn compose(
        &self,
        notice: MessageId,
        to: &Address,
        settings: &Settings,
        now: Timestamp,
    ) -> (Envelope, Vec<u8>) {
        let mut envelope = envelope(to.clone(), false, now);
        envelope.origin.virtual_server = NOTICE.into();
        let id = self.message;
        let how: String = self.how.chars().filter(|one| !one.is_control()).collect();
        let text = format!(
            "From: postmaster@{}\r\nTo: {to}\r\nSubject: A message was set aside on {}\r\nDate: {}\r\n\
             Message-ID: <{notice}@{}>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             The processing of a message has ended workers of this server twice. It is set aside and\r\n\
             isn't tried again; all other mail goes on. Nobody else was told.\r\n\r\n\
             Message: {id}\r\n{}What happened: {how}\r\n\r\n\
             To look at it:      bridgehead message why {id}\r\n\
             To take a copy:     bridgehead queue export {id} --into .\r\n\
             To try it again:    bridgehead queue thaw {id}\r\n\
             To remove it:       bridgehead queue delete {id}\r\n\r\n\
             A copy of it helps the developers of this server to find the fault.\r\n",
            settings.report_domain,
            settings.hostname,
            date_time(now),
            settings.hostname,
            self.people(),
        );
        (envelope, text.into_bytes())
    }

    /// From whom and to whom it is, as lines.
    fn people(&self) -> String {
        const SHOWN: usize = 5;
        let Some(envelope) = self.envelope else {
            return String::new();
        };
        let from = envelope.reverse_path.address();
        let from = from.map_or_else(|| "<>".to_owned(), ToString::to_string);
        let to = envelope.recipients.iter().take(SHOWN);
        let to: Vec<String> = to.map(|one| one.address.to_string()).collect();
        let more = envelope.recipients.len().saturating_sub(SHOWN);
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("From: {from}\r\nTo: {}{more}\r\n", to.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_mail::Domain;

    #[test]
    fn so_many_in_an_hour() {
        let mut moderation = Moderation::default();
        let at = |minutes: u64| Timestamp::EPOCH.after(Duration::from_secs(60 * minutes));
        let made = (0..30).filter(|_| moderation.allows(at(10))).count();
        assert_eq!(made, 20);
        assert!(!moderation.allows(at(69)));
        assert!(moderation.allows(at(70)));
        assert!(moderation.allows(at(1)), "the clock went back");
    }

    #[test]
    fn a_notice_says_what_happened_and_what_can_be_done() {
        let sender = Address::parse("a@example.test").unwrap();
        let about = envelope(sender.clone(), false, Timestamp::EPOCH);
        let aside = SetAside {
            message: MessageId::from_u128(5),
            how: "handing it over ended a worker:\r\nX-Evil: yes",
            envelope: Some(&about),
        };
        assert!(!aside.is_notice());
        let settings = Settings::for_host(Domain::parse("mail.example.test").unwrap());
        let id = MessageId::from_u128(6);
        let (notice, text) = aside.compose(id, &sender, &settings, Timestamp::EPOCH);
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("What happened: handing it over ended a worker:X-Evil: yes\r\n"));
        assert!(text.contains("bridgehead queue thaw "), "{text}");
        assert!(text.contains("To: a@example.test\r\n"));
        let again = SetAside {
            envelope: Some(&notice),
            ..aside
        };
        assert!(again.is_notice());
    }
}
