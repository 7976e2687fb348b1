//! The server's side of SMTP from outside: transcripts that a mail person can review, and a model that random
//! sessions are compared with.

#[cfg(test)]
mod driver;
#[cfg(test)]
mod model;
#[cfg(test)]
mod splits;
#[cfg(test)]
mod transcripts;
