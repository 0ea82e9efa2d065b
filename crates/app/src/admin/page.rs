//! Lists: which part is asked for, and where the next one begins.

use std::{fmt::Display, str::FromStr};

use crate::Refusal;

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Only what holds this text somewhere, in any case.
    pub q: Option<String>,
    /// How many, at most.
    pub limit: usize,
    /// Where the part before ended, as it said.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// What is in it, in order.
    pub items: Vec<T>,
    /// Where the next part begins; `None` after the last one.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    /// The same part, shown differently.
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(show).collect(), next: self.next }
    }
}

impl Listing {
    /// The key after which the part begins.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a cursor that no list has given.
    pub(crate) fn after<K: FromStr>(&self) -> Result<Option<K>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|_| foreign());
        self.cursor.as_deref().map(parse).transpose()
    }

    /// Checks the cursor of a list of things that people name: any text would read as one.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for the name of nothing that there is or was.
    pub fn check_name(&self, is_known: impl FnOnce(&str) -> bool) -> Result<(), Refusal> {
        if self.cursor.as_deref().is_none_or(is_known) { Ok(()) } else { Err(foreign()) }
    }

    /// Whether one of these texts holds what is looked for.
    pub(crate) fn wants(&self, texts: &[&str]) -> bool {
        let Some(q) = &self.q else { return true };
        let q = scim::fold::text(q);
        texts.iter().any(|text| scim::fold::text(text).contains(&q))
    }

    /// The part of a list that is in memory, in the order of its keys.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a cursor that no list has given.
    pub fn of<K, T>(
        &self,
        all: impl IntoIterator<Item = (K, T)>,
        wanted: impl Fn(&K, &T) -> bool,
    ) -> Result<Listed<(K, T)>, Refusal>
    where
        K: Ord + FromStr + Display,
    {
        let after = self.after::<K>()?;
        let mut rest = all.into_iter().filter(|(key, item)| {
            after.as_ref().is_none_or(|after| key > after) && wanted(key, item)
        });
        let items: Vec<_> = rest.by_ref().take(self.limit).collect();
        let more = rest.next().is_some();
        let next = items.last().filter(|_| more).map(|(key, _)| key.to_string());
        Ok(Listed { items, next })
    }

    /// A part of a list of which one row more than `limit` was read.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> String) -> Listed<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().filter(|_| more).map(key);
        Listed { items: rows, next }
    }
}

/// What is said of a cursor that no list has given.
pub(super) fn foreign() -> Refusal {
    let detail = "cursor: not one that this list has given; leave it out to begin again";
    Refusal::Malformed(detail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(limit: usize, cursor: Option<&str>) -> Listing {
        Listing { q: None, limit, cursor: cursor.map(str::to_owned) }
    }

    #[test]
    fn parts_follow_each_other_and_end() {
        let all = || [(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')];
        let first = listing(2, None).of(all(), |_, _| true).unwrap();
        assert_eq!(first.items, [(1, 'a'), (2, 'b')]);
        let second = listing(2, first.next.as_deref()).of(all(), |_, _| true).unwrap();
        assert_eq!((second.items, second.next), (vec![(3, 'c'), (4, 'd')], None));
        let odd = listing(1, None).of(all(), |key, _| key % 2 == 1).unwrap();
        assert_eq!((odd.items, odd.next.as_deref()), (vec![(1, 'a')], Some("1")));
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        assert!(listing(1, Some("x")).of([(1, ())], |_, ()| true).is_err());
    }

    #[test]
    fn one_row_more_tells_that_there_is_more() {
        let cut = listing(2, None).cut(vec![1, 2, 3], ToString::to_string);
        assert_eq!((cut.items, cut.next.as_deref()), (vec![1, 2], Some("2")));
        let cut = listing(2, None).cut(vec![1, 2], ToString::to_string);
        assert_eq!((cut.items, cut.next), (vec![1, 2], None));
    }

    #[test]
    fn text_is_looked_for_in_any_case() {
        let looking = Listing { q: Some("ADA".into()), limit: 1, cursor: None };
        assert!(looking.wants(&["x", "Mada"]));
        assert!(!looking.wants(&["bob"]));
        assert!(listing(1, None).wants(&[]));
    }
}
