//! What a connector could ask each route, with names of another connector in it.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{EU, escape};

/// What the connector that asks has itself.
pub(super) struct Own {
    pub(super) user: String,
    pub(super) boss: String,
    pub(super) group: String,
    pub(super) cursor: String,
}

/// What the things of another connector are called.
pub(super) struct Names {
    pub(super) user: String,
    /// The entry of somebody whom the connector that asks knows too.
    pub(super) shared: String,
    pub(super) group: String,
    pub(super) user_name: String,
    pub(super) user_external_id: String,
    pub(super) display_name: String,
    pub(super) group_external_id: String,
    pub(super) cursor: String,
}

impl Names {
    /// Names of the same forms, which nobody has.
    pub(super) fn of_nobody([user, shared, group]: [&str; 3], cursor: &str) -> Self {
        Self {
            user: user.to_owned(),
            shared: shared.to_owned(),
            group: group.to_owned(),
            user_name: "nil@other.example".to_owned(),
            user_external_id: "ext-nil".to_owned(),
            display_name: "Nothing of others".to_owned(),
            group_external_id: "ext-nothing".to_owned(),
            cursor: cursor.to_owned(),
        }
    }

    /// A text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let Self { user, shared, group, .. } = self;
        let mut text = text.to_owned();
        for (name, label) in [
            (user, "{user}"),
            (shared, "{shared}"),
            (group, "{group}"),
            (&self.user_name, "{userName}"),
            (&self.user_external_id, "{user's externalId}"),
            (&self.display_name, "{displayName}"),
            (&self.group_external_id, "{group's externalId}"),
            (&self.cursor, "{cursor}"),
        ] {
            text = text.replace(name, label).replace(&escape(name), label);
        }
        text
    }

    fn ids(&self) -> [&str; 3] {
        [&self.user, &self.shared, &self.group]
    }

    /// Everything by which a group could name a member.
    fn members(&self) -> [&str; 5] {
        [&self.user, &self.shared, &self.group, &self.user_name, &self.user_external_id]
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Below the Base URL.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Whether it is about something of the other connector and nothing else: 404, and no event.
    pub(super) must_miss: bool,
}

impl Ask {
    fn new(method: &Method, path: impl Into<String>) -> Self {
        let (method, path) = (method.clone(), path.into());
        Self { method, path, body: None, headers: Vec::new(), must_miss: false }
    }

    fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn must_miss(self) -> Self {
        Self { must_miss: true, ..self }
    }
}

/// The probes of a route.
pub(super) fn of(method: &Method, path: &str, own: &Own, names: &Names) -> Vec<Ask> {
    match (method.as_str(), path) {
        ("GET" | "HEAD", "") => {
            lists(method, "", names, &[user_filters(names), group_filters(names)])
        }
        ("GET" | "HEAD", "/Users") => lists(method, path, names, &[user_filters(names)]),
        ("GET" | "HEAD", "/Groups") => lists(method, path, names, &[group_filters(names)]),
        ("POST", "/.search") => searches(path, names, &[user_filters(names), group_filters(names)]),
        ("POST", "/Users/.search") => searches(path, names, &[user_filters(names)]),
        ("POST", "/Groups/.search") => searches(path, names, &[group_filters(names)]),
        ("POST", "/Users") => users(names).map(|body| Ask::new(method, path).body(body)).collect(),
        ("POST", "/Groups") => {
            groups(names).map(|body| Ask::new(method, path).body(body)).collect()
        }
        ("POST", "/Bulk") => bulk(own, names),
        (_, "/Users/{id}") => one(method, "/Users", names, own_user_changes(method, own, names)),
        (_, "/Groups/{id}") => one(method, "/Groups", names, own_group_changes(method, own, names)),
        ("GET" | "HEAD", "/ResourceTypes/{name}" | "/Schemas/{urn}") => {
            let (base, _) = path.split_once('{').unwrap();
            names.ids().map(|id| Ask::new(method, format!("{base}{id}")).must_miss()).into()
        }
        ("GET" | "HEAD", "/ResourceTypes" | "/Schemas") | (_, "/Me") => {
            vec![Ask::new(method, path)]
        }
        _ => panic!("{method} {path} has no probes: say how it could reach another connector"),
    }
}

fn user_filters(names: &Names) -> Vec<String> {
    let Names { user, shared, group, user_name, user_external_id, .. } = names;
    vec![
        format!("id eq \"{user}\""),
        format!("id eq \"{shared}\""),
        format!("not (id ne \"{user}\")"),
        format!("id sw \"{user}\""),
        format!("id eq \"{user}\" or userName eq \"ann@own.example\""),
        format!("userName eq \"{user_name}\""),
        format!("userName sw \"{user_name}\""),
        format!("userName eq \"{user_name}\" and externalId eq \"{user_external_id}\""),
        format!("externalId eq \"{user_external_id}\""),
        format!("emails.value eq \"{user_name}\""),
        format!("{EU}:manager.value eq \"{user}\""),
        format!("{EU}:manager eq \"{user}\""),
        format!("groups.value eq \"{group}\""),
        format!("meta.location ew \"{user}\""),
    ]
}

fn group_filters(names: &Names) -> Vec<String> {
    let Names { user, shared, group, display_name, group_external_id, .. } = names;
    vec![
        format!("id eq \"{group}\""),
        format!("displayName eq \"{display_name}\""),
        format!("externalId eq \"{group_external_id}\""),
        format!("members eq \"{user}\""),
        format!("members.value eq \"{user}\""),
        format!("members.value eq \"{shared}\""),
        format!("members[value eq \"{user}\"]"),
        format!("displayName eq \"{display_name}\" and members.value eq \"{user}\""),
        format!("not (members.value ne \"{user}\")"),
    ]
}

fn lists(method: &Method, path: &str, names: &Names, filters: &[Vec<String>]) -> Vec<Ask> {
    let filters = filters.concat();
    let filtered = filters.iter().map(|it| format!("{path}?filter={}", escape(it)));
    let cursor = format!("{path}?cursor={}&count=1", escape(&names.cursor));
    let whole = [path.to_owned(), format!("{path}?attributes=id,members,groups"), cursor];
    filtered.chain(whole).map(|path| Ask::new(method, path)).collect()
}

fn searches(path: &str, names: &Names, filters: &[Vec<String>]) -> Vec<Ask> {
    let search = |key: &str, value: &str| {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];
        Ask::new(&Method::POST, path).body(json!({"schemas": schemas, key: value}))
    };
    let filters = filters.concat();
    let filtered = filters.iter().map(|filter| search("filter", filter));
    filtered.chain([search("cursor", &names.cursor)]).collect()
}

/// New users that name what another connector has.
fn users(names: &Names) -> impl Iterator<Item = Value> {
    let Names { user, shared, group, user_name, user_external_id, .. } = names;
    let new = |number: u8| format!("new-{number}@own.example");
    [
        json!({"userName": new(1), EU: {"manager": {"value": user}}}),
        json!({"userName": new(2), EU: {"manager": shared}}),
        json!({"userName": new(3), "externalId": user_external_id}),
        json!({"userName": new(4), "id": user, "meta": {"location": user}}),
        json!({"userName": new(5), "groups": [{"value": group}]}),
        json!({"userName": new(6), "emails": [{"value": user_name}]}),
    ]
    .into_iter()
}

/// New groups that name what another connector has.
fn groups(names: &Names) -> impl Iterator<Item = Value> {
    let members = names.members().into_iter().enumerate();
    let with = |(number, value)| json!({"displayName": format!("New {number}"), "members": [{"value": value}]});
    let all: Vec<_> = names.members().iter().map(|value| json!({"value": value})).collect();
    let Names { group, user, display_name, group_external_id, .. } = names;
    let more = [
        json!({"displayName": "New of all", "members": all}),
        json!({"displayName": "New of a kind", "members": [{"value": group, "type": "Group"}, {"value": user, "type": "User"}]}),
        json!({"displayName": display_name, "externalId": group_external_id, "id": group}),
    ];
    members.map(with).chain(more).collect::<Vec<_>>().into_iter()
}

/// What is asked of one resource: of another connector's, and `own` of an own one.
fn one(method: &Method, base: &str, names: &Names, own: Vec<Ask>) -> Vec<Ask> {
    let conditions = [
        None,
        Some(("if-match", "*")),
        Some(("if-match", "W/\"1\"")),
        Some(("if-match", "W/\"999\"")),
        Some(("if-none-match", "*")),
        Some(("if-none-match", "W/\"1\"")),
    ];
    let foreign =
        names.ids().into_iter().flat_map(|id| conditions.map(|condition| (id, condition)));
    let foreign = foreign.map(|(id, condition)| {
        let ask = Ask::new(method, format!("{base}/{id}")).must_miss();
        let ask = match condition {
            Some((name, value)) => ask.header(name, value),
            None => ask,
        };
        match *method {
            Method::PUT if base == "/Users" => {
                ask.body(json!({"userName": "taken-over@own.example"}))
            }
            Method::PUT => ask.body(json!({"displayName": "Taken over", "members": []})),
            Method::PATCH => ask.body(patch(&json!([
                {"op": "replace", "path": "displayName", "value": "Taken over"}
            ]))),
            _ => ask,
        }
    });
    foreign.chain(own).collect()
}

fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

/// Changes of an own user that name what another connector has.
fn own_user_changes(method: &Method, own: &Own, names: &Names) -> Vec<Ask> {
    let Names { user, shared, group, user_name, user_external_id, .. } = names;
    let path = format!("/Users/{}", own.user);
    let ask = |body| Ask::new(method, path.clone()).body(body);
    let back = json!({"userName": "ann@own.example", EU: {"manager": {"value": own.boss}}});
    match *method {
        Method::PUT => vec![
            ask(json!({"userName": "ann@own.example", EU: {"manager": {"value": user}}})),
            ask(json!({"userName": "ann@own.example", "externalId": user_external_id, "id": user})),
            ask(json!({"userName": "ann@own.example", "groups": [{"value": group}]})),
            ask(back),
        ],
        Method::PATCH => [
            json!([{"op": "add", "path": format!("{EU}:manager"), "value": {"value": user}}]),
            json!([{"op": "replace", "path": format!("{EU}:manager.value"), "value": shared}]),
            json!([{"op": "replace", "path": format!("{EU}:manager"), "value": user}]),
            json!([{"op": "replace", "value": {"externalId": user_external_id}}]),
            json!([{"op": "add", "path": "emails", "value": [{"value": user_name, "type": "work"}]}]),
            json!([{"op": "remove", "path": format!("emails[value eq \"{user_name}\"]")}]),
            json!([{"op": "remove", "path": format!("groups[value eq \"{group}\"]")}]),
        ]
        .map(|operations| ask(patch(&operations)))
        .into(),
        _ => Vec::new(),
    }
}

/// Changes of an own group that name what another connector has.
fn own_group_changes(method: &Method, own: &Own, names: &Names) -> Vec<Ask> {
    let path = format!("/Groups/{}", own.group);
    let ask = |body| Ask::new(method, path.clone()).body(body);
    let shown = |body| Ask::new(method, format!("{path}?attributes=members")).body(body);
    let of_value = |value: &str| {
        match *method {
        Method::PUT => vec![
            ask(json!({"displayName": "Own", "members": [{"value": own.user}, {"value": value}]})),
            ask(json!({"displayName": "Own", "members": [{"value": own.user}]})),
        ],
        Method::PATCH => [
            json!([{"op": "add", "path": "members", "value": [{"value": value}]}]),
            json!([{"op": "remove", "path": format!("members[value eq \"{value}\"]")}]),
            json!([{"op": "add", "value": {"members": [{"value": value}]}}]),
            json!([{"op": "remove", "path": "members", "value": [{"value": value}]}]),
            json!([{"op": "replace", "path": "members", "value": [{"value": own.user}, {"value": value}]}]),
            json!([{"op": "remove", "path": format!("members[value ne \"{value}\"]")}]),
            json!([{"op": "replace", "path": "members", "value": [{"value": own.user}]}]),
        ]
        .map(|operations| shown(patch(&operations)))
        .into(),
        _ => Vec::new(),
    }
    };
    names.members().into_iter().flat_map(of_value).collect()
}

/// One operation each, so that none stands in another's way.
fn bulk(own: &Own, names: &Names) -> Vec<Ask> {
    let Names { user, shared, group, user_name, .. } = names;
    let changed = patch(&json!([{"op": "replace", "path": "displayName", "value": "Taken over"}]));
    let mut operations = Vec::new();
    for id in [user, shared] {
        let path = format!("/Users/{id}");
        operations.extend([
            json!({"method": "PUT", "path": path, "data": {"userName": "over@own.example"}}),
            json!({"method": "PATCH", "path": path, "data": changed}),
            json!({"method": "PATCH", "path": path, "version": "W/\"1\"", "data": changed}),
            json!({"method": "DELETE", "path": path, "version": "W/\"999\""}),
            json!({"method": "DELETE", "path": path}),
        ]);
    }
    let path = format!("/Groups/{group}");
    operations.extend([
        json!({"method": "PUT", "path": path, "data": {"displayName": "Over", "members": []}}),
        json!({"method": "PATCH", "path": path, "data": changed}),
        json!({"method": "DELETE", "path": path, "version": "W/\"1\""}),
        json!({"method": "DELETE", "path": path}),
    ]);
    let own_path = format!("/Groups/{}", own.group);
    for (number, value) in names.members().into_iter().enumerate() {
        let add = patch(&json!([{"op": "add", "path": "members", "value": [{"value": value}]}]));
        let (name, id) = (format!("Bulk {number}"), format!("bulkId:{value}"));
        operations.extend([
            json!({"method": "PATCH", "path": own_path, "data": add}),
            json!({"method": "POST", "path": "/Groups", "bulkId": value,
                "data": {"displayName": name, "members": [{"value": value}]}}),
            json!({"method": "POST", "path": "/Groups", "bulkId": "b",
                "data": {"displayName": format!("{name} b"), "members": [{"value": id}]}}),
        ]);
    }
    operations.extend([
        json!({"method": "POST", "path": "/Users", "bulkId": user,
            "data": {"userName": "bulk-1@own.example", EU: {"manager": {"value": user}}}}),
        json!({"method": "POST", "path": "/Users", "bulkId": "b",
            "data": {"userName": "bulk-2@own.example", EU: {"manager": {"value": format!("bulkId:{user}")}}}}),
        json!({"method": "POST", "path": "/Users", "bulkId": "c",
            "data": {"userName": "bulk-3@own.example", "id": user, "emails": [{"value": user_name}]}}),
    ]);
    let request = |operation: Value| {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"];
        Ask::new(&Method::POST, "/Bulk")
            .body(json!({"schemas": schemas, "Operations": [operation]}))
    };
    operations.into_iter().map(request).collect()
}
