//! Finds out who the recipients really are: resolve, expand, forward; pure over a directory snapshot
