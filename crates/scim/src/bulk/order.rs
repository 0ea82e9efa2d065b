//! The order in which operations can be carried out.
//!
//! As given, except that an operation waits for the creation of what it refers to. What the client
//! does to one resource keeps its order in any case.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::{Method, Request};

impl Request {
    /// The places of the operations that create something, by the `bulkId` that names it. Whoever
    /// carries out the request knows from it which names may still get an id.
    pub fn creations(&self) -> HashMap<String, usize> {
        let good = self.operations.iter().enumerate().filter_map(|(index, it)| {
            it.as_ref().ok().filter(|operation| operation.method == Method::Post).zip(Some(index))
        });
        good.filter_map(|(operation, index)| Some((operation.bulk_id.clone()?, index))).collect()
    }

    /// The places of all operations, bad ones too, in an order in which what is referred to by its
    /// `bulkId` comes first. Otherwise the order is as given, and operations on the same resource
    /// are never swapped. In a circle of references, the first one given comes first.
    ///
    /// # Source
    /// RFC 7644 §3.7: "the service provider MUST ensure that the client's intent is preserved";
    /// §3.7.1 for circles.
    pub fn order(&self) -> Vec<usize> {
        let mut waits = Waits::of(self);
        let count = self.operations.len();
        let mut ready: BinaryHeap<_> =
            (0..count).filter(|index| waits.fors[*index].is_empty()).map(Reverse).collect();
        let mut order = Vec::with_capacity(count);
        let mut done = vec![false; count];
        let mut reach = None;
        while order.len() < count {
            let Some(Reverse(next)) = ready.pop() else {
                let reach = reach.get_or_insert_with(|| Reach::of(&waits));
                ready.push(Reverse(waits.circle(reach, &done)));
                continue;
            };
            if std::mem::replace(&mut done[next], true) {
                continue;
            }
            order.push(next);
            for waiting in std::mem::take(&mut waits.held_up[next]) {
                waits.fors[waiting].remove(&next);
                if waits.fors[waiting].is_empty() && !done[waiting] {
                    ready.push(Reverse(waiting));
                }
            }
        }
        order
    }
}

/// Which operations wait for which.
struct Waits {
    /// By operation, those that have to come before it and have not.
    fors: Vec<BTreeSet<usize>>,
    /// By operation, those that wait for it.
    held_up: Vec<Vec<usize>>,
}

impl Waits {
    fn of(request: &Request) -> Self {
        let count = request.operations.len();
        let mut waits =
            Self { fors: vec![BTreeSet::new(); count], held_up: vec![Vec::new(); count] };
        let creations = request.creations();
        let mut latest = HashMap::new();
        for (index, operation) in request.operations.iter().enumerate() {
            let Ok(operation) = operation else { continue };
            for name in operation.references() {
                let creation = creations.get(&name).filter(|creation| **creation != index);
                creation.into_iter().for_each(|creation| waits.add(index, *creation));
            }
            if let Some(id) = operation.id.as_deref()
                && let Some(before) = latest.insert((operation.kind, id), index)
            {
                waits.add(index, before);
            }
        }
        waits
    }

    fn add(&mut self, index: usize, before: usize) {
        if self.fors[index].insert(before) {
            self.held_up[before].push(index);
        }
    }

    /// The first operation that waits for none but those that wait for it, when all that are left
    /// wait for others. That is a creation: nothing else is referred to. So no order of operations
    /// on one resource is broken.
    fn circle(&self, reach: &Reach, done: &[bool]) -> usize {
        let only_in_circles =
            |index: &usize| self.fors[*index].iter().all(|before| reach.leads(*before, *index));
        let mut left = (0..done.len()).filter(|index| !done[*index]);
        left.find(only_in_circles).unwrap_or_else(|| {
            unreachable!(
                "following what they wait for ends in a circle that waits for nothing else"
            )
        })
    }
}

/// Which operations wait for which, directly or not: a row of bits for each.
struct Reach(Vec<Vec<u64>>);

impl Reach {
    /// Warshall's algorithm.
    fn of(waits: &Waits) -> Self {
        let count = waits.fors.len();
        let mut rows = vec![vec![0_u64; count.div_ceil(64)]; count];
        for (row, fors) in rows.iter_mut().zip(&waits.fors) {
            for before in fors {
                row[before / 64] |= 1 << (before % 64);
            }
        }
        let mut reach = Self(rows);
        for middle in 0..count {
            let through = reach.0[middle].clone();
            for index in 0..count {
                if reach.leads(index, middle) {
                    reach.0[index].iter_mut().zip(&through).for_each(|(bits, more)| *bits |= more);
                }
            }
        }
        reach
    }

    fn leads(&self, from: usize, to: usize) -> bool {
        self.0[from][to / 64] & (1 << (to % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::coerce::Leniency;

    #[expect(clippy::needless_pass_by_value, reason = "a `json!` is written where it is used")]
    fn order(operations: Value) -> Vec<usize> {
        let body = json!({"Operations": operations});
        Request::parse(body, Leniency::Lenient).unwrap().order()
    }

    fn post(bulk_id: &str, refers_to: &[&str]) -> Value {
        let members: Vec<_> =
            refers_to.iter().map(|name| json!({"value": format!("bulkId:{name}")})).collect();
        json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": {"members": members}})
    }

    fn patch(id: &str, refers_to: &[&str]) -> Value {
        let data = post("", refers_to)["data"].clone();
        let data = json!({"Operations": [{"op": "add", "value": data}]});
        json!({"method": "PATCH", "path": format!("/Groups/{id}"), "data": data})
    }

    #[test]
    fn what_is_referred_to_comes_first_and_the_rest_stays() {
        assert_eq!(order(json!([post("a", &[]), post("b", &["a"]), 5])), [0, 1, 2]);
        assert_eq!(
            order(json!([post("b", &["a"]), 5, post("a", &[]), post("c", &[])])),
            [1, 2, 0, 3]
        );
        assert_eq!(order(json!([post("c", &["b"]), post("b", &["a"]), post("a", &[])])), [2, 1, 0]);
        assert_eq!(order(json!([patch("bulkId:a", &[]), post("a", &[])])), [1, 0]);
        assert_eq!(order(json!([post("b", &["nobody"]), post("a", &[])])), [0, 1]);
    }

    #[test]
    fn creations_are_found_by_their_names() {
        let delete = json!({"method": "DELETE", "path": "/Groups/g", "bulkId": "d"});
        let body =
            json!({"Operations": [delete, post("b", &[]), 5, post("a", &[]), post("a", &[])]});
        let creations = Request::parse(body, Leniency::Lenient).unwrap().creations();
        assert_eq!(creations, HashMap::from([("b".to_owned(), 1), ("a".to_owned(), 3)]));
    }

    #[test]
    fn operations_on_one_resource_keep_their_order() {
        let delete = json!({"method": "DELETE", "path": "/Groups/g"});
        let operations = [patch("g", &["a"]), delete, patch("h", &[]), post("a", &[])];
        assert_eq!(order(json!(operations)), [2, 3, 0, 1]);
        let operations =
            [patch("bulkId:a", &["b"]), patch("bulkId:a", &[]), post("a", &[]), post("b", &[])];
        assert_eq!(order(json!(operations)), [2, 3, 0, 1]);
    }

    #[test]
    fn section_3_7_1_a_circle_begins_with_the_first_of_it() {
        assert_eq!(order(json!([post("a", &["b"]), post("b", &["a"])])), [0, 1]);
        assert_eq!(order(json!([post("a", &["a"])])), [0]);
        // What waits for a circle is not in it.
        let operations = [post("x", &["b"]), post("b", &["c"]), post("c", &["b"])];
        assert_eq!(order(json!(operations)), [1, 0, 2]);
        let operations =
            [patch("g", &["b"]), post("c", &["b"]), post("b", &["c"]), patch("g", &[])];
        assert_eq!(order(json!(operations)), [1, 2, 0, 3]);
    }

    #[test]
    fn operations_that_all_refer_to_each_other_are_done_as_given() {
        let names: Vec<_> = (0..200).map(|n| n.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let all = names.iter().map(|name| post(name, &names)).collect();
        assert_eq!(order(all), (0..200).collect::<Vec<_>>());
    }
}
