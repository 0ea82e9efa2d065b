//! Threads that stand back behind those that answer requests.
//!
//! Two cores that are never idle make everybody's request wait, whatever is done on them. What nobody waits
//! for within milliseconds (policies, deliveries, builds, long lists) is done by threads of a lower priority:
//! on a machine that has time for it they are as fast as ever.

/// By how much such a thread is nicer than others. Beside threads that never rest it still gets a tenth of the
/// time of one of them (`sched(7)`), so that nothing waits for ever.
const NICE: i32 = 10;

/// Lets this thread, and those that it starts, stand back from now on, for good.
pub fn stand_back() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "a thread in the background has the priority of those that answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stands_back_and_so_do_those_that_it_starts_and_no_others() {
        let priority = || rustix::process::nice(0).unwrap();
        let before = priority();
        let started = std::thread::spawn(move || {
            stand_back();
            (priority(), std::thread::spawn(priority).join().unwrap())
        });
        let expected = (before + NICE).min(19);
        assert_eq!(started.join().unwrap(), (expected, expected));
        assert_eq!(priority(), before);
    }
}
