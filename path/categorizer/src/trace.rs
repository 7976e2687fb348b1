//! The steps of an explanation, or nothing at all: the mail path pays nothing for being explainable.

use crate::Step;
use bridgehead_mail::Address;
use std::fmt;

/// Steps that are kept; more are of no use to a reader.
const STEPS_MAX: usize = 1_000;

/// Takes steps if somebody wants to read them.
#[derive(Debug)]
pub(crate) struct Trace {
    steps: Option<Vec<Step>>,
}

impl Trace {
    pub(crate) const fn none() -> Self {
        Self { steps: None }
    }

    pub(crate) const fn kept() -> Self {
        Self {
            steps: Some(Vec::new()),
        }
    }

    pub(crate) fn step(
        &mut self,
        address: &Address,
        object: fmt::Arguments<'_>,
        text: fmt::Arguments<'_>,
    ) {
        let Some(steps) = &mut self.steps else {
            return;
        };
        if steps.len() < STEPS_MAX {
            steps.push(Step {
                address: address.clone(),
                object: object.to_string(),
                text: text.to_string(),
            });
        }
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }
}
