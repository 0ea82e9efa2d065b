//! What happened, in a sentence for people: of a person where one is asked about, else of the thing.
//!
//! "They" is the person whose timeline it is, or whose stream. A sentence says no more than its event, and
//! is not stored: the words may get better.

use domain::{
    Event,
    device::DeviceEvent,
    group::GroupEvent,
    ids::UserId,
    offboarding::{ActionKind, HeldBecause},
    rule::OnDeactivate,
    user::{UserEvent, event::RoleReason},
};
use projections::Recorded;

/// What a sentence needs to know besides the event.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// What people call the group or the device to which it happened.
    pub(super) name: String,
    /// The group that gave a role.
    pub(super) group: String,
    /// Whose timeline it is.
    pub(super) about: Option<UserId>,
}

/// The sentence of an event.
pub(super) fn sentence(event: &Recorded, words: &Words) -> String {
    match &event.event {
        Event::User(fact) => user(fact, event, words),
        Event::Group(fact) => group(fact, event, words),
        Event::Device(fact) => device(fact, event, words),
        Event::Workspace(_) | Event::Publication(_) | Event::Segments(_) => plain(event),
    }
}

/// The type of an event, as words.
fn plain(event: &Recorded) -> String {
    event.name.replace(['.', '_'], " ")
}

fn user(fact: &UserEvent, event: &Recorded, words: &Words) -> String {
    match fact {
        UserEvent::EntryAdded { connector, resource, .. } => {
            let name = resource.user_name().unwrap_or("somebody without a userName");
            let active = if resource.active() == Some(false) { ", not active" } else { "" };
            format!("the connector {connector} brought them as {name}{active}")
        }
        UserEvent::EntryChanged { connector, changes } => {
            let names: Vec<_> = changes.names().collect();
            format!("the connector {connector} changed {}", names.join(", "))
        }
        UserEvent::EntryDeactivated { connector } => {
            format!("the connector {connector} said that they are not active any more")
        }
        UserEvent::EntryReactivated { connector } => {
            format!("the connector {connector} said that they are active again")
        }
        UserEvent::EntryRemoved { connector, .. } => {
            format!("the connector {connector} deleted them")
        }
        UserEvent::MetadataChanged { set, unset, .. } => {
            let names: Vec<_> = set.keys().chain(unset).map(String::as_str).collect();
            format!("their metadata changed: {}", names.join(", "))
        }
        UserEvent::RoleChanged { role, why } => {
            let why = match why {
                RoleReason::ByHand => "a person chose it".to_owned(),
                RoleReason::Group { .. } => {
                    format!("the group {} is mapped to it", words.group)
                }
                RoleReason::Default => "no group that they are in is mapped to a role".to_owned(),
            };
            format!("their role became {}: {why}", role.as_str())
        }
        fact => account(fact).or_else(|| offboarding(fact)).unwrap_or_else(|| plain(event)),
    }
}

fn account(fact: &UserEvent) -> Option<String> {
    Some(match fact {
        UserEvent::AccountGranted { role } => {
            let role = role.map(|role| format!(" with the role {}", role.as_str()));
            format!("the creation rule gave them an account{}", role.unwrap_or_default())
        }
        UserEvent::AccountInvited { user_name, .. } => {
            format!("a person made them an account by hand, as {user_name}")
        }
        UserEvent::AccountAdopted { connector } => {
            format!("the connector {connector} took over the account that they had")
        }
        UserEvent::AccountSuspended {} => "their account was suspended".to_owned(),
        UserEvent::AccountRestored {} => "their account was opened again".to_owned(),
        UserEvent::AccountRemoved {} => "their account was removed".to_owned(),
        UserEvent::Erased { .. } => {
            "they were erased: nothing that was said of them before can be read any more".to_owned()
        }
        _ => return None,
    })
}

fn offboarding(fact: &UserEvent) -> Option<String> {
    Some(match fact {
        UserEvent::OffboardingStarted { connector, rule, .. } => {
            let rule = match rule {
                OnDeactivate::Nothing => "to do nothing",
                OnDeactivate::RemoveUser => "to remove the account",
                OnDeactivate::Unassign => "to unassign their devices",
                OnDeactivate::ChangePolicy => "to change the policy of their devices",
                OnDeactivate::RemoveUserAndDevices => "to remove the account and their devices",
            };
            format!("an offboarding began, since the rule of the connector {connector} is {rule}")
        }
        UserEvent::OffboardingHeld { because, .. } => match because {
            HeldBecause::Owner => {
                "the offboarding waits for a person: SCIM removes no Owner".to_owned()
            }
            HeldBecause::Brake(limit) => format!(
                "the offboarding waits for a person: the connector offboards more than {} people in \
                 {} minutes",
                limit.people, limit.window_minutes
            ),
        },
        UserEvent::OffboardingApproved { .. } => "a person let the offboarding go on".to_owned(),
        UserEvent::OffboardingPlanned { actions, .. } => {
            format!("the offboarding called for an action on {} of their devices", actions.len())
        }
        UserEvent::OffboardingCompleted { .. } => "the offboarding was completed".to_owned(),
        UserEvent::OffboardingCancelled { because, .. } => {
            format!("the offboarding was cancelled: {}", because.as_str().replace('_', " "))
        }
        _ => return None,
    })
}

fn group(fact: &GroupEvent, event: &Recorded, Words { name, about, .. }: &Words) -> String {
    match (fact, about) {
        (GroupEvent::Created { connector, .. }, _) => {
            format!("the connector {connector} made the group {name}")
        }
        (GroupEvent::MembersAdded { .. }, Some(_)) => format!("they came into the group {name}"),
        (GroupEvent::MembersAdded { members }, None) => {
            format!("{} came into the group {name}", counted(members.len()))
        }
        (GroupEvent::MembersRemoved { .. }, Some(_)) => format!("they left the group {name}"),
        (GroupEvent::MembersRemoved { members }, None) => {
            format!("{} left the group {name}", counted(members.len()))
        }
        (GroupEvent::PendingResolved { .. }, Some(_)) => {
            format!("they came into the group {name}, which had named them before they were there")
        }
        (GroupEvent::Deleted {}, Some(_)) => {
            format!("the group {name}, which they were in, was deleted")
        }
        (GroupEvent::Deleted {}, None) => format!("the group {name} was deleted"),
        _ => format!("{}, of the group {name}", plain(event)),
    }
}

fn counted(members: usize) -> String {
    if members == 1 { "a member".to_owned() } else { format!("{members} members") }
}

fn device(fact: &DeviceEvent, event: &Recorded, Words { name, about, .. }: &Words) -> String {
    let to = |user: UserId| match about {
        Some(about) if *about == user => "them".to_owned(),
        Some(_) => "somebody else".to_owned(),
        None => format!("the user {user}"),
    };
    match fact {
        DeviceEvent::Enrolled { user: Some(user), .. } => {
            format!("the device {name} was enrolled for {}", to(*user))
        }
        DeviceEvent::Enrolled { user: None, .. } => format!("the device {name} was enrolled"),
        DeviceEvent::Assigned { user } => {
            format!("the device {name} was assigned to {}", to(*user))
        }
        DeviceEvent::Unassigned {} => format!("the device {name} was taken from who had it"),
        DeviceEvent::PolicyChanged { .. } => format!("the device {name} got another policy"),
        DeviceEvent::Named { name: Some(called) } => {
            format!("the device {name} was called {called}")
        }
        DeviceEvent::Named { name: None } => format!("the device {name} lost the name that it had"),
        DeviceEvent::Removed {} => format!("the device {name} left management"),
        DeviceEvent::ActionRequested { kind, .. } => {
            let what = match kind {
                ActionKind::Unassign => "be unassigned",
                ActionKind::ChangePolicy { .. } => "get another policy",
                ActionKind::Remove => "be wiped and leave management",
            };
            format!("the offboarding called for the device {name} to {what}")
        }
        DeviceEvent::ActionSent { attempt, .. } => {
            format!("the MDM service was told, for the device {name} (try {attempt})")
        }
        DeviceEvent::ActionAcknowledged { .. } => {
            format!("the MDM service took the order for the device {name}")
        }
        DeviceEvent::ActionConfirmed { .. } => {
            format!("what was called for was done to the device {name}")
        }
        DeviceEvent::ActionFailed { reason, .. } => {
            format!("the order for the device {name} failed, and is tried again: {reason}")
        }
        DeviceEvent::ActionParked { reason, .. } => {
            format!("the order for the device {name} waits for a person: {reason}")
        }
        DeviceEvent::ActionCancelled { .. } => {
            format!("the order for the device {name} was cancelled")
        }
        DeviceEvent::ActionRetried { .. } => {
            format!("a person had the order for the device {name} tried again")
        }
        DeviceEvent::ActionGivenUp { reason, .. } => {
            format!("a person gave up the order for the device {name}: {reason}")
        }
        _ => format!("{}, of the device {name}", plain(event)),
    }
}
