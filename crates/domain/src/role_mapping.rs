//! Role mapping: which group makes a collaborator what (rules 12 to 14).

use scim::fold;
use serde::{Deserialize, Serialize};

use crate::{
    Micros,
    ids::{ConnectorName, GroupId},
    portal::Role,
};

/// How many rules a workspace may have.
pub const RULES_MAX: usize = 1_000;
/// How long a new collaborator settles unless something else is said, in minutes: a day.
const SETTLE_MINUTES: u32 = 1_440;
/// The longest settling window, in minutes: a year.
pub const SETTLE_MINUTES_MAX: u32 = 525_600;

/// A workspace's setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleMapping {
    /// The rules; of those that match, the highest privilege wins.
    pub rules: Vec<RoleRule>,
    /// How long after their creation the role of a collaborator follows their groups, in minutes.
    pub settle_minutes: u32,
    /// Whether it follows them for ever.
    pub follow_groups: bool,
    /// What somebody in no mapped group is, instead of the default role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_match: Option<NoMatch>,
}

/// A group and the role of those who are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// The group's displayName, in any case.
    pub group: String,
    /// The role.
    pub role: Role,
    /// The connector whose group is meant; of any, if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorName>,
}

/// What somebody in no mapped group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoMatch {
    /// Unassigned, though the creation rule has a default role.
    Unassigned,
}

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// Its connector.
    pub connector: ConnectorName,
    /// Its displayName.
    pub display: String,
}

/// What the groups of somebody make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The role.
    pub role: Role,
    /// The group that gives it.
    pub group: GroupId,
}

/// A setting that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoleMapping {
    /// Rule 12.
    #[error("rules[{0}].role cannot be owner: SCIM never grants it")]
    OwnerByScim(usize),
    /// A rule without a group.
    #[error("rules[{0}].group must be the displayName of a group")]
    NoGroup(usize),
    /// A group, twice.
    #[error("rules[{0}].group is mapped by an earlier rule already")]
    Twice(usize),
    /// More than a request should have to look through.
    #[error("a role mapping has at most {RULES_MAX} rules")]
    TooMany,
    /// A window nobody would wait for.
    #[error("settle_minutes is at most {SETTLE_MINUTES_MAX}, which is a year")]
    WindowTooLong,
}

impl Default for RoleMapping {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            settle_minutes: SETTLE_MINUTES,
            follow_groups: false,
            no_match: None,
        }
    }
}

impl RoleMapping {
    /// Checks the setting. Whether a connector exists is the workspace's to say.
    ///
    /// # Errors
    /// [`BadRoleMapping`] names the first rule that does not fit.
    pub fn check(&self) -> Result<(), BadRoleMapping> {
        if self.rules.len() > RULES_MAX {
            return Err(BadRoleMapping::TooMany);
        }
        if self.settle_minutes > SETTLE_MINUTES_MAX {
            return Err(BadRoleMapping::WindowTooLong);
        }
        let mut seen = std::collections::HashSet::new();
        for (index, rule) in self.rules.iter().enumerate() {
            if rule.role == Role::Owner {
                return Err(BadRoleMapping::OwnerByScim(index));
            }
            if rule.group.trim().is_empty() {
                return Err(BadRoleMapping::NoGroup(index));
            }
            if !seen.insert((fold::text(&rule.group), &rule.connector)) {
                return Err(BadRoleMapping::Twice(index));
            }
        }
        Ok(())
    }

    /// The role that memberships give: the highest privilege; of several groups that give it, the one
    /// with the smallest id, so that the answer does not depend on their order.
    pub fn role_of(&self, memberships: &[Membership]) -> Option<Mapped> {
        let names: Vec<_> = memberships.iter().map(|it| fold::text(&it.display)).collect();
        let mapped = self.rules.iter().flat_map(|rule| {
            let name = fold::text(&rule.group);
            let meant = move |(membership, display): &(&Membership, &_)| {
                *display == &name
                    && rule.connector.as_ref().is_none_or(|it| *it == membership.connector)
            };
            let memberships = memberships.iter().zip(&names).filter(meant);
            memberships.map(|(it, _)| Mapped { role: rule.role, group: it.group })
        });
        mapped.max_by_key(|mapped| (mapped.role, std::cmp::Reverse(mapped.group)))
    }

    /// The end of the settling window of somebody who was provisioned at a time.
    pub fn settled(&self, provisioned: Micros) -> Micros {
        provisioned.saturating_add(Micros::from(self.settle_minutes).saturating_mul(60_000_000))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn membership(number: u128, connector: &str, display: &str) -> Membership {
        Membership {
            group: GroupId(Uuid::from_u128(number)),
            connector: ConnectorName::parse(connector).unwrap(),
            display: display.to_owned(),
        }
    }

    fn rule(group: &str, role: Role, connector: Option<&str>) -> RoleRule {
        let connector = connector.map(|name| ConnectorName::parse(name).unwrap());
        RoleRule { group: group.to_owned(), role, connector }
    }

    fn mapping(rules: Vec<RoleRule>) -> RoleMapping {
        RoleMapping { rules, ..RoleMapping::default() }
    }

    #[test]
    fn rule_13_the_highest_privilege_wins_whatever_the_order() {
        let mapping = mapping(vec![
            rule("Engineers", Role::Developer, None),
            rule("ADMINS", Role::Admin, None),
            rule("everybody", Role::Viewer, None),
        ]);
        let mut groups = [
            membership(1, "okta", "Everybody"),
            membership(2, "okta", "admins"),
            membership(3, "okta", "engineers"),
            membership(4, "okta", "chess"),
        ];
        for _ in 0..groups.len() {
            groups.rotate_left(1);
            let mapped = mapping.role_of(&groups).unwrap();
            assert_eq!((mapped.role, mapped.group.0.as_u128()), (Role::Admin, 2));
        }
        assert_eq!(mapping.role_of(&groups[..0]), None);
        assert_eq!(mapping.role_of(&[membership(4, "okta", "chess")]), None);
    }

    #[test]
    fn rule_14_a_rule_may_mean_the_group_of_one_connector() {
        let mapping = mapping(vec![rule("admins", Role::Admin, Some("okta"))]);
        assert!(mapping.role_of(&[membership(1, "okta", "Admins")]).is_some());
        assert_eq!(mapping.role_of(&[membership(1, "entra", "Admins")]), None);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let refused = |rules| mapping(rules).check().unwrap_err();
        assert_eq!(refused(vec![rule("a", Role::Owner, None)]), BadRoleMapping::OwnerByScim(0));
        assert_eq!(refused(vec![rule(" ", Role::Admin, None)]), BadRoleMapping::NoGroup(0));
        let twice = vec![rule("a", Role::Admin, None), rule("A", Role::Viewer, None)];
        assert_eq!(refused(twice), BadRoleMapping::Twice(1));
        let both = vec![rule("a", Role::Admin, None), rule("A", Role::Viewer, Some("okta"))];
        assert_eq!(mapping(both).check(), Ok(()));
        let long = RoleMapping { settle_minutes: SETTLE_MINUTES_MAX + 1, ..RoleMapping::default() };
        assert_eq!(long.check(), Err(BadRoleMapping::WindowTooLong));
    }
}
