//! Message-tracking log
