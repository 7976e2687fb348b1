//! The handful of file operations that queue and store stand on
