//! Why a message is where it is, in sentences. Pure.

use crate::queue::closed as shut;
use bridgehead_mail::{Phase, Timestamp};
use bridgehead_management_api::{TraceStep, Why};
use bridgehead_queue::view::{PartPicture, Summary};
use bridgehead_queue::{Control, Decision, Steering};
use std::time::Duration;

/// What of the server counts.
pub(crate) struct Facts {
    pub(crate) steering: Steering,
    /// Why mail is refused, if it is.
    pub(crate) refusing: Option<String>,
    pub(crate) directory_complete: bool,
    pub(crate) now: Timestamp,
}

/// Steps of a trace that say what was tried or decided.
const TELLING: [&str; 8] = [
    "accepted",
    "deferred",
    "failed",
    "relayed",
    "delivered",
    "controlled",
    "reported",
    "badmail",
];

/// Attempts and decisions that are told of; of earlier ones how many there are.
const STEPS_MAX: usize = 100;

/// Why a message is where it is; none if it isn't in the queue.
pub(crate) fn why(summary: Option<&Summary>, steps: &[TraceStep], facts: &Facts) -> Why {
    let telling = steps.iter();
    let telling: Vec<&TraceStep> = telling
        .filter(|step| TELLING.contains(&step.step.as_str()))
        .collect();
    let earlier = telling.len().saturating_sub(STEPS_MAX);
    let mut why = Why {
        earlier: earlier as u64,
        attempts: telling.into_iter().skip(earlier).cloned().collect(),
        ..Why::default()
    };
    let Some(summary) = summary else {
        "gone".clone_into(&mut why.phase);
        let last = steps
            .last()
            .map(|step| format!("{} {}", step.step, step.text));
        let last = last.unwrap_or_default();
        why.causes.push(format!(
            "it isn't in the queue any more; the last of it: {last}"
        ));
        return why;
    };
    why.phase = summary.phase.to_string();
    why.causes.extend(
        facts
            .refusing
            .as_ref()
            .map(|reason| format!("storing failed, so nothing is handed over: {reason}")),
    );
    why.causes.extend(decided(&summary.control));
    if summary.parts.is_empty() {
        without_parts(summary, facts, &mut why);
    }
    for part in &summary.parts {
        of_part(part, summary, facts, &mut why);
    }
    if summary.control.deleted.is_none() && summary.expires != Timestamp::NEVER {
        let left = in_words(summary.expires.since(facts.now));
        why.next
            .push(format!("it is given up in {left}, and its sender told"));
    }
    why
}

/// What operators decided, a sentence each.
pub(crate) fn decided(control: &Control) -> Vec<String> {
    let mut said = Vec::new();
    let by = |decision: &Decision| format!("by {}", decision.by);
    if let Some(decision) = &control.frozen {
        said.push(format!("it was frozen {}", by(decision)));
    }
    if let Some(deletion) = &control.deleted {
        let told = if deletion.report {
            ", and its sender will be told"
        } else {
            ""
        };
        said.push(format!("it was deleted {}{told}", by(&deletion.decision)));
    }
    said.extend(
        control
            .priority
            .map(|priority| format!("its priority was set to {priority}")),
    );
    if let Some(how) = &control.poison {
        said.push(format!("it is set aside: {how}"));
    }
    if let Some(connector) = &control.redirect {
        said.push(format!("it was redirected to connector {connector}"));
    }
    if control.expires.is_some() {
        said.push("the time at which it is given up was set by an operator".to_owned());
    }
    if control.resubmit {
        said.push("who its recipients are is to be found out again".to_owned());
    }
    said
}

fn without_parts(summary: &Summary, facts: &Facts, why: &mut Why) {
    let (cause, next) = match summary.phase {
        Phase::Deleted => {
            let deletion = summary.control.deleted.as_ref();
            let left = deletion.map_or(Duration::ZERO, |gone| gone.until.since(facts.now));
            let left = in_words(left);
            why.next.push(format!(
                "it is removed in {left}; until then `queue restore` has it back"
            ));
            return;
        }
        Phase::Frozen | Phase::Poison => {
            why.next
                .push("nothing until it is thawed: `queue thaw`".to_owned());
            return;
        }
        Phase::Submission if !facts.directory_complete => (
            "the directory isn't known yet, so nobody can say who its recipients are",
            "it is categorized as soon as there is a whole copy of the directory",
        ),
        Phase::Submission => (
            "it waits for its turn to be categorized",
            "it is categorized",
        ),
        Phase::Categorization => (
            "its recipients are being found out, or it couldn't be read from the disk (the log says which)",
            "its next hops are found",
        ),
        _ => ("its next hops are being found anew", "it goes to its links"),
    };
    why.causes.push(cause.to_owned());
    why.next.push(next.to_owned());
}

fn of_part(part: &PartPicture, summary: &Summary, facts: &Facts, why: &mut Why) {
    let link = &part.link;
    let whom = whom(part);
    let control = &summary.control;
    if control.deleted.is_some() || control.frozen.is_some() || control.poison.is_some() {
        if why.next.is_empty() {
            without_parts(summary, facts, why);
        }
        return;
    }
    if part.active {
        why.causes
            .push(format!("{whom} is being handed over on link {link} now"));
        return;
    }
    if let Some(decision) = &part.frozen {
        let whole = !facts.steering.links.contains_key(link);
        let (what, how) = match whole {
            true => ("all outbound mail".to_owned(), "server release".to_owned()),
            false => (format!("link {link}"), format!("link thaw {link}")),
        };
        why.causes
            .push(format!("{what} is held by {}", decision.by));
        why.next.push(format!("{whom} waits until `{how}`"));
        return;
    }
    if let Some(closed) = &part.closed {
        why.causes
            .push(format!("{whom} waits on link {link}: {}", shut(closed)));
    }
    if let Some(failure) = &part.last_failure {
        let attempts = part.attempts;
        let noun = if attempts == 1 { "attempt" } else { "attempts" };
        why.causes.push(format!(
            "{whom}, link {link}, after {attempts} {noun}: {failure}"
        ));
    } else if part.closed.is_some() {
        // Said already.
    } else if part.phase == Phase::Deferred {
        why.causes.push(format!(
            "{whom} isn't to be handed over yet, as its sender asked"
        ));
    } else {
        why.causes
            .push(format!("{whom} waits for its turn on link {link}"));
    }
    if part.phase == Phase::Unreachable {
        why.next.push(format!(
            "{whom} is routed again as soon as links or the organisation change"
        ));
        return;
    }
    why.next.push(match part.next_try {
        Some(at) => format!("{whom} is tried again in {}", in_words(at.since(facts.now))),
        None => format!("{whom} is handed over as soon as a connection is free"),
    });
}

fn whom(part: &PartPicture) -> String {
    match part.addressees.as_slice() {
        [] => format!("mail for {}", part.domain),
        [one] => one.address.to_string(),
        [first, others @ ..] => format!("{} and {} more", first.address, others.len()),
    }
}

fn in_words(wait: Duration) -> String {
    let seconds = wait.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64, step: &str) -> TraceStep {
        TraceStep {
            at: number,
            step: step.to_owned(),
            text: String::new(),
        }
    }

    #[test]
    fn the_last_attempts_are_told_and_the_others_counted() {
        let facts = Facts {
            steering: Steering::default(),
            refusing: None,
            directory_complete: true,
            now: Timestamp::EPOCH,
        };
        let deferred = |number| step(number, "deferred");
        let mut steps: Vec<TraceStep> = (0..150).map(deferred).collect();
        steps.insert(0, step(0, "categorized"));
        let told = why(None, &steps, &facts);
        assert_eq!((told.earlier, told.attempts.len()), (50, 100));
        assert_eq!(told.attempts[0].at, 50);
        assert_eq!(why(None, &steps[..20], &facts).earlier, 0);
    }
}
