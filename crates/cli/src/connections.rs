//! Connections: how many the server bears, and how long one may keep what it was given.
//!
//! A connection is a file to the system, and so is every database. A server that has given its last
//! file to a client that says nothing can open no read model any more; so the two are kept apart
//! from the start. What a client may do slowly has an end: the head of a request (`serve`), its body
//! (`ingress`), and reading the answer, which is here.

use std::{io, net::TcpListener, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections there are at most, where the system allows as many files. Each that rests
/// takes about 17 KiB.
const CONNECTIONS_MAX: u64 = 25_000;
/// How many files are kept for everything else: databases with their logs, each opened by several
/// readers and twice while it is rebuilt, and calls to MDM services.
const FILES_KEPT: u64 = 512;
/// How many connections the system keeps waiting until the server takes them. It may keep fewer
/// (`net.core.somaxconn`); whoever finds no room tries again after a second.
const BACKLOG: i32 = 1_024;
/// How long a client may take none of what is sent to it, in milliseconds.
const UNREAD_MS: u32 = 30_000;

/// Sets up the socket that listens; those of its connections take it over.
///
/// # Errors
/// When the system refuses.
///
/// # Source
/// tcp(7) of Linux, `TCP_USER_TIMEOUT`: how long data "may remain unacknowledged, or buffered data
/// may remain untransmitted (due to zero window size)" before the connection is closed.
pub(crate) fn set_up(listener: &TcpListener) -> io::Result<()> {
    rustix::net::listen(listener, BACKLOG)?;
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(listener, UNREAD_MS)?;
    Ok(())
}

/// How many threads answer requests, unless something else is set.
pub(crate) fn workers() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How many connections each of so many threads may have. Takes for this process all the files that
/// it may have.
pub(crate) fn of_each(workers: usize) -> usize {
    let files =
        raised(getrlimit(Resource::Nofile), |limit| setrlimit(Resource::Nofile, limit).is_ok());
    let connections = usize::try_from(connections(files)).unwrap_or(usize::MAX);
    if files.is_some_and(|files| files < FILES_KEPT + CONNECTIONS_MAX) {
        tracing::info!(files, connections, "the system limits how many connections there can be");
    }
    (connections / workers.max(1)).max(1)
}

/// How many files there may be once the limit is raised as far as that goes without rights; `None`
/// for any number.
fn raised(limit: Rlimit, raise: impl FnOnce(Rlimit) -> bool) -> Option<u64> {
    let most = Rlimit { current: limit.maximum, ..limit };
    if raise(most) { limit.maximum } else { limit.current }
}

/// How many of so many files are connections.
fn connections(files: Option<u64>) -> u64 {
    let left = files.map_or(u64::MAX, |files| files.saturating_sub(FILES_KEPT).max(files / 2));
    left.clamp(1, CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_keep_their_files_whatever_the_limit() {
        assert_eq!(connections(None), CONNECTIONS_MAX);
        assert_eq!(connections(Some(1 << 20)), CONNECTIONS_MAX);
        assert_eq!(connections(Some(20_000)), 20_000 - FILES_KEPT);
        assert_eq!(connections(Some(1_024)), 512);
        assert_eq!(connections(Some(256)), 128);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let limit = Rlimit { current: Some(1_024), maximum: Some(4_096) };
        assert_eq!(raised(limit, |it| it.current == Some(4_096)), Some(4_096));
        assert_eq!(raised(limit, |_| false), Some(1_024));
    }
}
