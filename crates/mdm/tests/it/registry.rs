//! The registry. It cannot be slow, refuse or lose an answer, so that something stands in front of it
//! here that can. A server has nothing of the kind.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use domain::{ids::ActionId, offboarding::ActionKind};
use mdm::{Adapter, Registry, http::Http};
use parking_lot::Mutex;
use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Received, Standing};

use crate::suite::{Behind, Subject, Trouble, every_promise, order};

struct It;

impl Subject for It {
    type Behind = Arc<Counter>;

    async fn make(&self, _: Http) -> (Arc<dyn Adapter>, Arc<Counter>) {
        let counter = Arc::new(Counter::default());
        (Arc::new(Behindhand(Arc::clone(&counter))), counter)
    }

    fn acts_at_the_end(&self) -> bool {
        true
    }
}

/// Where orders pass on their way to the registry.
#[derive(Default)]
pub(crate) struct Counter(Mutex<State>);

#[derive(Default)]
struct State {
    troubles: VecDeque<Trouble>,
    taken: BTreeSet<ActionId>,
    done: BTreeSet<ActionId>,
}

/// The registry behind a counter.
struct Behindhand(Arc<Counter>);

impl Behind for Arc<Counter> {
    fn troubled(&self, trouble: Trouble) {
        self.0.lock().troubles.push_back(trouble);
    }

    fn settled(&self) {
        let State { taken, done, .. } = &mut *self.0.lock();
        done.clone_from(taken);
    }

    fn count(&self) -> usize {
        self.0.lock().done.len()
    }
}

impl Mdm for Behindhand {
    fn name(&self) -> &'static str {
        Registry.name()
    }

    fn paced(&self) -> bool {
        Registry.paced()
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async {
            let trouble = self.0.0.lock().troubles.pop_front();
            let reason = "the counter says so".to_owned();
            match trouble {
                Some(Trouble::Refused) => return Err(MdmError::Refused(reason)),
                Some(Trouble::Busy) => {
                    let after = Some(Duration::from_secs(77));
                    return Err(MdmError::Down { reason, after });
                }
                Some(Trouble::LostAnswer) | None => {}
            }
            Registry.send(order).await?;
            self.0.0.lock().taken.insert(order.action);
            match trouble {
                Some(Trouble::LostAnswer) => Err(MdmError::Unanswered { reason }),
                _ => Ok(()),
            }
        })
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async {
            if self.0.0.lock().done.contains(&order.action) {
                Registry.standing(order).await
            } else {
                Ok(Standing::Accepted)
            }
        })
    }

    fn received<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        Registry.received(order)
    }
}

impl Adapter for Behindhand {
    fn test(&self) -> BoxFuture<'_, Result<(), MdmError>> {
        Registry.test()
    }
}

#[tokio::test]
async fn it_keeps_every_promise() {
    every_promise(&It).await;
}

#[tokio::test]
async fn an_order_is_done_as_soon_as_it_is_sent_however_often() {
    let order = order(ActionKind::Unassign, None);
    for _ in 0..2 {
        assert_eq!(Registry.send(&order).await, Ok(()));
        assert_eq!(Registry.standing(&order).await, Ok(Standing::Done));
    }
}
