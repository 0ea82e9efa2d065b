//! Which role may do what: one line for each route, in one place, so that it can be read at a glance.
//!
//! A route that is not in the table is for owners alone, and fails a test until somebody has decided. The
//! document says of each route what stands here, and a walk asks every route as everybody.

use actix_web::http::Method;
use app::{Person, Refusal};
use domain::admin_role::AdminRole;

/// What somebody has to be for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To look at what says nothing about people.
    Watch,
    /// To look at anything.
    Read,
    /// To steer the machinery.
    Operate,
    /// To change what a workspace is, and whom it has.
    Administer,
    /// To say who else may what, and to do what no other role may undo.
    Own,
}

impl Needs {
    /// Who that is, the one that may most first.
    pub(crate) fn roles(self) -> &'static [AdminRole] {
        use AdminRole::{Administrator, Auditor, Operator, Owner};
        match self {
            Self::Watch => &[Owner, Administrator, Auditor, Operator],
            Self::Read => &[Owner, Administrator, Auditor],
            Self::Operate => &[Owner, Administrator, Operator],
            Self::Administer => &[Owner, Administrator],
            Self::Own => &[Owner],
        }
    }
}

/// Every route that wants a token, by what it needs.
const TABLE: &[(Needs, &[&str])] = &[
    (
        Needs::Watch,
        &[
            "GET /workspaces",
            "GET /workspaces/{ws}",
            "GET /workspaces/{ws}/checkpoint",
            "GET /workspaces/{ws}/connectors",
            "GET /workspaces/{ws}/connectors/{connector}",
            "GET /workspaces/{ws}/connectors/{connector}/attribute-mapping/apply",
            "GET /workspaces/{ws}/connectors/{connector}/provisioning",
            "GET /workspaces/{ws}/connectors/{connector}/provisioning/apply",
            "GET /workspaces/{ws}/connectors/{connector}/tokens",
            "GET /workspaces/{ws}/consistency",
            "GET /workspaces/{ws}/deliveries",
            "GET /workspaces/{ws}/effects",
            "GET /workspaces/{ws}/effects/{id}",
            "GET /workspaces/{ws}/holds",
            "GET /workspaces/{ws}/holds/{id}",
            "GET /workspaces/{ws}/keys",
            "GET /workspaces/{ws}/mdm/services",
            "GET /workspaces/{ws}/mdm/services/{platform}",
            "GET /workspaces/{ws}/offboardings",
            "GET /workspaces/{ws}/offboardings/{id}",
            "GET /workspaces/{ws}/proof",
            "GET /workspaces/{ws}/role-mapping/progress",
            "GET /backups",
            "GET /projections",
            "GET /projections/builds",
            "GET /projections/builds/{build}",
            "GET /projections/holds",
        ],
    ),
    (
        Needs::Read,
        &[
            "GET /access",
            "GET /workspaces/{ws}/collaborators",
            "GET /workspaces/{ws}/collaborators/{id}",
            "GET /workspaces/{ws}/collaborators/{id}/segments",
            "GET /workspaces/{ws}/connectors/{connector}/attribute-history",
            "GET /workspaces/{ws}/connectors/{connector}/attribute-mapping",
            "GET /workspaces/{ws}/connectors/{connector}/extensions",
            "GET /workspaces/{ws}/connectors/{connector}/provisioning-log",
            "GET /workspaces/{ws}/connectors/{connector}/provisioning/preview",
            "GET /workspaces/{ws}/connectors/{connector}/provisioning/preview/people",
            "GET /workspaces/{ws}/diff",
            "GET /workspaces/{ws}/erasures",
            "GET /workspaces/{ws}/erasures/{id}",
            "GET /workspaces/{ws}/employees",
            "GET /workspaces/{ws}/employees/{id}",
            "GET /workspaces/{ws}/employees/{id}/publications",
            "GET /workspaces/{ws}/events",
            "GET /workspaces/{ws}/events/stream",
            "GET /workspaces/{ws}/export",
            "GET /workspaces/{ws}/groups",
            "GET /workspaces/{ws}/groups/{id}",
            "GET /workspaces/{ws}/groups/{id}/members",
            "GET /workspaces/{ws}/groups/{id}/pending",
            "GET /workspaces/{ws}/history/devices/{id}",
            "GET /workspaces/{ws}/history/groups/{id}",
            "GET /workspaces/{ws}/history/users/{id}",
            "GET /workspaces/{ws}/holds/{id}/users",
            "GET /workspaces/{ws}/mdm/devices",
            "GET /workspaces/{ws}/mdm/devices/{id}",
            "GET /workspaces/{ws}/mdm/groups",
            "GET /workspaces/{ws}/mdm/groups/{id}",
            "GET /workspaces/{ws}/mdm/groups/{id}/members",
            "GET /workspaces/{ws}/mdm/groups/{id}/pending",
            "GET /workspaces/{ws}/mdm/policies",
            "GET /workspaces/{ws}/mdm/policies/{id}",
            "GET /workspaces/{ws}/mdm/segments",
            "GET /workspaces/{ws}/mdm/segments/{id}",
            "GET /workspaces/{ws}/mdm/segments/{id}/grants",
            "GET /workspaces/{ws}/mdm/users",
            "GET /workspaces/{ws}/mdm/users/{id}",
            "GET /workspaces/{ws}/people/{id}/erase",
            "GET /workspaces/{ws}/people/{id}/groups",
            "GET /workspaces/{ws}/people/{id}/timeline",
            "GET /workspaces/{ws}/portals/{portal}/access",
            "GET /workspaces/{ws}/portals/{portal}/saml",
            "GET /workspaces/{ws}/provisioning-log",
            "GET /workspaces/{ws}/provisioning-log/cycles",
            "GET /workspaces/{ws}/provisioning-log/rejections",
            "GET /workspaces/{ws}/provisioning-log/settings",
            "GET /workspaces/{ws}/provisioning-log/{entry}",
            "GET /workspaces/{ws}/publications",
            "GET /workspaces/{ws}/publications/{id}",
            "GET /workspaces/{ws}/publications/{id}/audience",
            "GET /workspaces/{ws}/role-mapping",
            "GET /workspaces/{ws}/why",
        ],
    ),
    (
        Needs::Operate,
        &[
            "POST /backups",
            "POST /projections/rebuild",
            "POST /projections/builds/{build}/cancel",
            "POST /projections/builds/{build}/pause",
            "POST /projections/builds/{build}/resume",
            "POST /projections/holds/{hold}/retry",
            "POST /projections/holds/{hold}/skip",
            "POST /projections/holds/{hold}/unskip",
            "POST /projections/verify",
            "POST /workspaces/{ws}/deliveries/resume",
            "POST /workspaces/{ws}/deliveries/suspend",
            "POST /workspaces/{ws}/effects/{id}/cancel",
            "POST /workspaces/{ws}/effects/{id}/give-up",
            "POST /workspaces/{ws}/effects/{id}/retry",
            "POST /workspaces/{ws}/mdm/services/{platform}/test",
        ],
    ),
    (
        Needs::Administer,
        &[
            "POST /workspaces",
            "PATCH /workspaces/{ws}",
            "POST /workspaces/{ws}/collaborators",
            "PATCH /workspaces/{ws}/collaborators/{id}",
            "DELETE /workspaces/{ws}/collaborators/{id}",
            "PATCH /workspaces/{ws}/connectors/{connector}",
            "DELETE /workspaces/{ws}/connectors/{connector}",
            "PUT /workspaces/{ws}/connectors/{connector}/attribute-mapping",
            "POST /workspaces/{ws}/connectors/{connector}/attribute-mapping/apply",
            "PUT /workspaces/{ws}/connectors/{connector}/extensions",
            "PUT /workspaces/{ws}/connectors/{connector}/provisioning",
            "PUT /workspaces/{ws}/connectors/{connector}/provisioning-log",
            "POST /workspaces/{ws}/connectors/{connector}/provisioning/apply",
            "POST /workspaces/{ws}/connectors/{connector}/provisioning/preview",
            "POST /workspaces/{ws}/connectors/{connector}/tokens",
            "DELETE /workspaces/{ws}/connectors/{connector}/tokens/{id}",
            "POST /workspaces/{ws}/employees",
            "PATCH /workspaces/{ws}/employees/{id}",
            "DELETE /workspaces/{ws}/employees/{id}",
            "DELETE /workspaces/{ws}/groups/{id}",
            "POST /workspaces/{ws}/holds/{id}/approve",
            "POST /workspaces/{ws}/holds/{id}/undo",
            "POST /workspaces/{ws}/mdm/devices",
            "PATCH /workspaces/{ws}/mdm/devices/{id}",
            "DELETE /workspaces/{ws}/mdm/devices/{id}",
            "DELETE /workspaces/{ws}/mdm/groups/{id}",
            "POST /workspaces/{ws}/mdm/policies",
            "DELETE /workspaces/{ws}/mdm/policies/{id}",
            "POST /workspaces/{ws}/mdm/segments",
            "PATCH /workspaces/{ws}/mdm/segments/{id}",
            "DELETE /workspaces/{ws}/mdm/segments/{id}",
            "PUT /workspaces/{ws}/mdm/segments/{id}/grants",
            "PUT /workspaces/{ws}/mdm/services/{platform}",
            "DELETE /workspaces/{ws}/mdm/services/{platform}",
            "POST /workspaces/{ws}/mdm/users",
            "PATCH /workspaces/{ws}/mdm/users/{id}",
            "DELETE /workspaces/{ws}/mdm/users/{id}",
            "PUT /workspaces/{ws}/portals/{portal}/access",
            "PUT /workspaces/{ws}/portals/{portal}/saml",
            "DELETE /workspaces/{ws}/portals/{portal}/saml",
            "POST /workspaces/{ws}/portals/{portal}/scim",
            "PUT /workspaces/{ws}/provisioning-log/settings",
            "POST /workspaces/{ws}/publications",
            "PATCH /workspaces/{ws}/publications/{id}",
            "DELETE /workspaces/{ws}/publications/{id}",
            "PUT /workspaces/{ws}/role-mapping",
        ],
    ),
    (
        Needs::Own,
        &[
            "POST /access",
            "DELETE /access/{id}",
            "POST /keys/rotate",
            "DELETE /workspaces/{ws}",
            "POST /workspaces/{ws}/people/{id}/erase",
        ],
    ),
];

/// Routes outside of a workspace that show whoever reaches one workspace what is of that one.
const FITTED: &[&str] = &["GET /workspaces", "GET /access", "POST /access", "DELETE /access/{id}"];

/// Who may use a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admits {
    needs: Needs,
    /// Whether it is about the whole installation.
    whole: bool,
}

impl Admits {
    /// What the table says of a route.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let route = format!("{method} {path}");
        let found = TABLE.iter().find(|(_, routes)| routes.contains(&route.as_str()));
        let needs = found.map_or(Needs::Own, |(needs, _)| *needs);
        Self { needs, whole: !path.contains("{ws}") && !FITTED.contains(&route.as_str()) }
    }

    pub(crate) fn roles(self) -> &'static [AdminRole] {
        self.needs.roles()
    }

    /// Whether there is somebody whom it refuses.
    pub(crate) fn refuses_some(self) -> bool {
        self.whole || self.roles().len() < AdminRole::ALL.len()
    }

    /// Refuses whoever may not use it.
    ///
    /// # Errors
    /// 403 that names who may.
    pub(crate) fn check(self, person: &Person) -> Result<(), Refusal> {
        let roles = self.roles();
        if !roles.contains(&person.role) {
            return Err(Refusal::Forbidden(format!(
                "this takes the role {}; that token has the role {}",
                words(roles),
                person.role
            )));
        }
        match &person.reach {
            Some(reach) if self.whole => Err(Refusal::Forbidden(format!(
                "this concerns all workspaces, and that token reaches the workspace {reach} alone"
            ))),
            _ => Ok(()),
        }
    }
}

/// `owner, administrator or operator`.
pub(crate) fn words(roles: &[AdminRole]) -> String {
    let words: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_that_wants_a_token_stands_in_the_table_once() {
        let guarded = crate::endpoints().into_iter().filter(|it| it.guarded);
        let routes: BTreeSet<_> = guarded.map(|it| format!("{} {}", it.method, it.path)).collect();
        let lines: Vec<_> = TABLE.iter().flat_map(|(_, routes)| routes.iter()).collect();
        let table: BTreeSet<_> = lines.iter().map(|it| (**it).to_owned()).collect();
        let missing: Vec<_> = routes.difference(&table).collect();
        assert!(missing.is_empty(), "say in `TABLE` who may use {missing:#?}");
        let gone: Vec<_> = table.difference(&routes).collect();
        assert!(gone.is_empty(), "there are no such routes: {gone:#?}");
        assert_eq!(lines.len(), table.len(), "a route stands there twice");
        assert!(FITTED.iter().all(|route| table.contains(*route)));
    }

    #[test]
    fn an_auditor_changes_nothing_and_an_operator_reads_nothing_about_people() {
        for (needs, routes) in TABLE {
            let may = |role| needs.roles().contains(&role);
            for route in *routes {
                assert!(!may(AdminRole::Auditor) || route.starts_with("GET "), "{route}");
                let about_people = ["people", "users", "employees", "collaborators", "/events"];
                let tells = about_people.iter().any(|word| route.contains(word));
                assert!(!may(AdminRole::Operator) || !tells, "{route}");
            }
        }
    }

    #[test]
    fn a_route_that_nobody_has_decided_about_is_for_owners() {
        assert_eq!(Admits::of(&Method::GET, "/nowhere").roles(), [AdminRole::Owner]);
    }
}
