//! event-log.
