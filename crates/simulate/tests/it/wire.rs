//! What goes over the wire, in its order, for one person and one group.

use expect_test::{Expect, expect};
use simulate::{Cycle, Idp, Plan, Progress};

use crate::fake::{Fake, Recorded, TOKEN};

/// Two people and a group; or as few as a round needs to have something of everything.
fn plan(fake: &Fake, idp: Idp, cycle: Cycle) -> Plan {
    let (users, groups) = if cycle == Cycle::Incremental { (5, 2) } else { (2, 1) };
    Plan { users, groups, concurrency: 1, ..Plan::new(fake.base_url(), TOKEN, idp, cycle) }
}

/// Runs the cycle and writes down what was sent.
async fn check(idp: Idp, cycle: Cycle, snapshot: Expect) {
    let fake = Fake::start().await;
    if cycle != Cycle::Initial {
        let first = Plan { cycle: Cycle::Initial, ..plan(&fake, idp, cycle) };
        simulate::run(first, &Progress::Silent).await.unwrap();
        fake.take();
    }
    simulate::run(plan(&fake, idp, cycle), &Progress::Silent).await.unwrap();
    let lines: Vec<String> = fake.take().iter().map(line).collect();
    snapshot.assert_eq(&lines.join("\n").replace(&fake.base_url(), "BASE"));
}

fn line(request: &Recorded) -> String {
    let path = request.path.trim_start_matches("/scim/v2/acme/store");
    let path = percent_encoding::percent_decode_str(path).decode_utf8().unwrap();
    match &request.body["Operations"] {
        serde_json::Value::Null => format!("{} {path}", request.method),
        operations => format!("{} {path} {operations}", request.method),
    }
}

#[tokio::test]
async fn entra_initial() {
    check(Idp::Entra, Cycle::Initial, expect![[r#"
        GET /Users?filter=userName eq "c13d8120-f1e3-449f-861c-c7a2db086a48"
        GET /Groups?excludedAttributes=members&filter=displayName eq "aabc5bb2-9321-4b31-a849-ef40e3fe42a2"
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"
        POST /Users
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"
        POST /Users
        GET /Groups?excludedAttributes=members&filter=displayName eq "Engineering Madrid"
        POST /Groups
        GET /Groups?excludedAttributes=members&filter=id eq "group00003" and members eq "user00001"
        PATCH /Groups/group00003 [{"op":"Add","path":"members","value":[{"$ref":null,"value":"user00001"},{"$ref":null,"value":"user00002"}]}]
        GET /Users?filter=id eq "user00002" and manager eq "user00001"&attributes=id
        PATCH /Users/user00002 [{"op":"Add","path":"manager","value":[{"$ref":"BASE/Users/user00001","value":"user00001"}]}]
        GET /Groups/group00003"#]]).await;
}

#[tokio::test]
async fn entra_repeat() {
    check(Idp::Entra, Cycle::Repeat, expect![[r#"
        GET /Users?filter=userName eq "c13d8120-f1e3-449f-861c-c7a2db086a48"
        GET /Groups?excludedAttributes=members&filter=displayName eq "aabc5bb2-9321-4b31-a849-ef40e3fe42a2"
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"
        PATCH /Users/user00001 [{"op":"Replace","path":"displayName","value":"Kenji Ferreira"},{"op":"Replace","path":"name.givenName","value":"Kenji"},{"op":"Replace","path":"name.familyName","value":"Ferreira"},{"op":"Replace","path":"name.formatted","value":"Kenji Ferreira"},{"op":"Replace","path":"title","value":"Engineer"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"kenji.ferreira.0@tenant1.example"},{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"100000"},{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Operations"}]
        PATCH /Users/user00001 [{"op":"Replace","path":"active","value":"True"}]
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"
        PATCH /Users/user00002 [{"op":"Replace","path":"displayName","value":"Fatima Müller"},{"op":"Replace","path":"name.givenName","value":"Fatima"},{"op":"Replace","path":"name.familyName","value":"Müller"},{"op":"Replace","path":"name.formatted","value":"Fatima Müller"},{"op":"Replace","path":"title","value":"Assistant"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"fatima.muller.1@tenant1.example"},{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"100001"},{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Legal"}]
        PATCH /Users/user00002 [{"op":"Replace","path":"active","value":"True"}]
        GET /Groups?excludedAttributes=members&filter=displayName eq "Engineering Madrid"
        GET /Groups/group00003?excludedAttributes=members
        PATCH /Groups/group00003 [{"op":"Replace","path":"displayName","value":"Engineering Madrid"}]
        GET /Groups?excludedAttributes=members&filter=id eq "group00003" and members eq "user00001"
        PATCH /Groups/group00003 [{"op":"Add","path":"members","value":[{"$ref":null,"value":"user00001"},{"$ref":null,"value":"user00002"}]}]
        GET /Users?filter=id eq "user00002" and manager eq "user00001"&attributes=id
        PATCH /Users/user00002 [{"op":"Add","path":"manager","value":[{"$ref":"BASE/Users/user00001","value":"user00001"}]}]
        GET /Users/user00001
        GET /Users/user00002
        GET /Groups/group00003"#]]).await;
}

#[tokio::test]
async fn entra_incremental() {
    check(Idp::Entra, Cycle::Incremental, expect![[r#"
        GET /Users?filter=userName eq "c13d8120-f1e3-449f-861c-c7a2db086a48"
        GET /Groups?excludedAttributes=members&filter=displayName eq "aabc5bb2-9321-4b31-a849-ef40e3fe42a2"
        GET /Users?filter=userName eq "fatima.d'angelo.2@tenant1.example"
        PATCH /Users/user00003 [{"op":"Remove","path":"title"}]
        GET /Users/user00003
        GET /Users?filter=userName eq "jose.andersson.3@tenant1.example"
        PATCH /Users/user00004 [{"op":"Replace","path":"active","value":"False"}]
        GET /Users/user00004
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"
        PATCH /Users/user00002 [{"op":"Replace","path":"active","value":"False"}]
        GET /Users/user00002
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"
        PATCH /Users/user00002 [{"op":"Replace","path":"active","value":"True"}]
        GET /Users/user00002
        GET /Groups?excludedAttributes=members&filter=displayName eq "Sales Madrid"
        PATCH /Groups/group00007 [{"op":"Replace","path":"displayName","value":"Sales Madrid (1)"}]
        GET /Groups?excludedAttributes=members&filter=displayName eq "Engineering Madrid"
        GET /Users?filter=userName eq "olga.tanaka.4@tenant1.example"
        PATCH /Groups/group00006 [{"op":"Remove","path":"members","value":[{"$ref":null,"value":"user00005"}]}]
        GET /Groups/group00006"#]]).await;
}

#[tokio::test]
async fn entra_with_the_flag_incremental() {
    check(Idp::EntraFlag, Cycle::Incremental, expect![[r#"
        GET /Users?filter=userName eq "c13d8120-f1e3-449f-861c-c7a2db086a48"&aadOptscim062020
        GET /Groups?excludedAttributes=members&filter=displayName eq "aabc5bb2-9321-4b31-a849-ef40e3fe42a2"&aadOptscim062020
        GET /Users?filter=userName eq "fatima.d'angelo.2@tenant1.example"&aadOptscim062020
        PATCH /Users/user00003?aadOptscim062020 [{"op":"replace","path":"title","value":""}]
        GET /Users/user00003?aadOptscim062020
        GET /Users?filter=userName eq "jose.andersson.3@tenant1.example"&aadOptscim062020
        PATCH /Users/user00004?aadOptscim062020 [{"op":"replace","path":"active","value":false}]
        GET /Users/user00004?aadOptscim062020
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&aadOptscim062020
        PATCH /Users/user00002?aadOptscim062020 [{"op":"replace","path":"active","value":false}]
        GET /Users/user00002?aadOptscim062020
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&aadOptscim062020
        PATCH /Users/user00002?aadOptscim062020 [{"op":"replace","path":"active","value":true}]
        GET /Users/user00002?aadOptscim062020
        GET /Groups?excludedAttributes=members&filter=displayName eq "Sales Madrid"&aadOptscim062020
        PATCH /Groups/group00007?aadOptscim062020 [{"op":"replace","path":"displayName","value":"Sales Madrid (1)"}]
        GET /Groups?excludedAttributes=members&filter=displayName eq "Engineering Madrid"&aadOptscim062020
        GET /Users?filter=userName eq "olga.tanaka.4@tenant1.example"&aadOptscim062020
        PATCH /Groups/group00006?aadOptscim062020 [{"op":"remove","path":"members[value eq \"user00005\"]"}]
        GET /Groups/group00006?aadOptscim062020"#]]).await;
}

#[tokio::test]
async fn okta_native_repeat() {
    check(
        Idp::OktaNative,
        Cycle::Repeat,
        expect![[r#"
        GET /Users?startIndex=1&count=2
        GET /Groups?startIndex=1&count=100
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"&startIndex=1&count=100
        GET /Users/user00001
        PUT /Users/user00001
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        GET /Users/user00002
        PUT /Users/user00002
        GET /Groups/group00003
        PUT /Groups/group00003
        GET /Groups/group00003"#]],
    )
    .await;
}

#[tokio::test]
async fn entra_with_the_flag_repeat() {
    check(Idp::EntraFlag, Cycle::Repeat, expect![[r#"
        GET /Users?filter=userName eq "c13d8120-f1e3-449f-861c-c7a2db086a48"&aadOptscim062020
        GET /Groups?excludedAttributes=members&filter=displayName eq "aabc5bb2-9321-4b31-a849-ef40e3fe42a2"&aadOptscim062020
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"&aadOptscim062020
        PATCH /Users/user00001?aadOptscim062020 [{"op":"replace","value":{"displayName":"Kenji Ferreira","name.familyName":"Ferreira","name.formatted":"Kenji Ferreira","name.givenName":"Kenji","title":"Engineer","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Operations","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"100000"}},{"op":"replace","path":"emails[type eq \"work\"].value","value":"kenji.ferreira.0@tenant1.example"}]
        PATCH /Users/user00001?aadOptscim062020 [{"op":"replace","path":"active","value":true}]
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&aadOptscim062020
        PATCH /Users/user00002?aadOptscim062020 [{"op":"replace","value":{"displayName":"Fatima Müller","name.familyName":"Müller","name.formatted":"Fatima Müller","name.givenName":"Fatima","title":"Assistant","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Legal","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"100001"}},{"op":"replace","path":"emails[type eq \"work\"].value","value":"fatima.muller.1@tenant1.example"}]
        PATCH /Users/user00002?aadOptscim062020 [{"op":"replace","path":"active","value":true}]
        GET /Groups?excludedAttributes=members&filter=displayName eq "Engineering Madrid"&aadOptscim062020
        GET /Groups/group00003?excludedAttributes=members&aadOptscim062020
        PATCH /Groups/group00003?aadOptscim062020 [{"op":"replace","path":"displayName","value":"Engineering Madrid"}]
        GET /Groups?excludedAttributes=members&filter=id eq "group00003" and members eq "user00001"&aadOptscim062020
        PATCH /Groups/group00003?aadOptscim062020 [{"op":"add","path":"members","value":[{"$ref":null,"value":"user00001"},{"$ref":null,"value":"user00002"}]}]
        GET /Users?filter=id eq "user00002" and manager eq "user00001"&attributes=id&aadOptscim062020
        PATCH /Users/user00002?aadOptscim062020 [{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"user00001"}]
        GET /Users/user00001?aadOptscim062020
        GET /Users/user00002?aadOptscim062020
        GET /Groups/group00003?aadOptscim062020"#]]).await;
}

#[tokio::test]
async fn okta_native_initial() {
    check(
        Idp::OktaNative,
        Cycle::Initial,
        expect![[r#"
        GET /Users?startIndex=1&count=2
        GET /Groups?startIndex=1&count=100
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"&startIndex=1&count=100
        POST /Users
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        POST /Users
        POST /Groups
        GET /Groups/group00003
        PUT /Groups/group00003
        GET /Groups/group00003"#]],
    )
    .await;
}

#[tokio::test]
async fn okta_native_incremental() {
    check(
        Idp::OktaNative,
        Cycle::Incremental,
        expect![[r#"
        GET /Users?startIndex=1&count=2
        GET /Groups?startIndex=1&count=100
        GET /Users?filter=userName eq "fatima.d'angelo.2@tenant1.example"&startIndex=1&count=100
        GET /Users/user00003
        PUT /Users/user00003
        GET /Users?filter=userName eq "jose.andersson.3@tenant1.example"&startIndex=1&count=100
        GET /Users/user00004
        PUT /Users/user00004
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        GET /Users/user00002
        PUT /Users/user00002
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        GET /Users/user00002
        PUT /Users/user00002
        GET /Users/user00002
        PUT /Users/user00002
        GET /Users/user00002
        GET /Groups/group00007
        PUT /Groups/group00007
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"&startIndex=1&count=100
        GET /Groups/group00006
        PUT /Groups/group00006
        GET /Groups/group00006"#]],
    )
    .await;
}

#[tokio::test]
async fn okta_template_initial() {
    check(Idp::OktaTemplate, Cycle::Initial, expect![[r#"
        GET /Users?startIndex=1&count=2
        GET /Groups?startIndex=1&count=100
        GET /Users?filter=userName eq "kenji.ferreira.0@tenant1.example"&startIndex=1&count=100
        POST /Users
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        POST /Users
        POST /Groups
        GET /Groups/group00003
        PATCH /Groups/group00003 [{"op":"replace","value":{"displayName":"Engineering Madrid","id":"group00003"}}]
        PATCH /Groups/group00003 [{"op":"replace","path":"members","value":[{"display":null,"value":"user00002"},{"display":null,"value":"user00001"}]}]
        GET /Groups/group00003"#]]).await;
}

#[tokio::test]
async fn okta_template_incremental() {
    check(Idp::OktaTemplate, Cycle::Incremental, expect![[r#"
        GET /Users?startIndex=1&count=2
        GET /Groups?startIndex=1&count=100
        GET /Users?filter=userName eq "fatima.d'angelo.2@tenant1.example"&startIndex=1&count=100
        GET /Users/user00003
        PUT /Users/user00003
        GET /Users?filter=userName eq "jose.andersson.3@tenant1.example"&startIndex=1&count=100
        GET /Users/user00004
        PATCH /Users/user00004 [{"op":"replace","value":{"active":false}}]
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        GET /Users/user00002
        PATCH /Users/user00002 [{"op":"replace","value":{"active":false}}]
        GET /Users?filter=userName eq "fatima.muller.1@tenant1.example"&startIndex=1&count=100
        GET /Users/user00002
        PATCH /Users/user00002 [{"op":"replace","value":{"active":true}}]
        GET /Users/user00002
        PATCH /Users/user00002 [{"op":"replace","value":{"active":true}}]
        GET /Users/user00002
        PATCH /Groups/group00007 [{"op":"replace","value":{"displayName":"Sales Madrid (1)","id":"group00007"}}]
        GET /Users?filter=userName eq "olga.tanaka.4@tenant1.example"&startIndex=1&count=100
        PATCH /Groups/group00006 [{"op":"replace","value":{"displayName":"Engineering Madrid","id":"group00006"}},{"op":"remove","path":"members[value eq \"user00005\"]"}]"#]]).await;
}

#[tokio::test]
async fn okta_names_itself_and_the_media_type() {
    let fake = Fake::start().await;
    for idp in [Idp::OktaNative, Idp::OktaTemplate] {
        simulate::run(plan(&fake, idp, Cycle::Initial), &Progress::Silent).await.unwrap();
    }
    let requests = fake.take();
    let header = |request: &Recorded, name: &str| {
        request.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    for request in &requests {
        assert_eq!(header(request, "user-agent"), "Okta SCIM Client 1.0.0");
        assert_eq!(header(request, "accept"), "application/scim+json");
        assert_eq!(header(request, "authorization"), "Bearer secret");
        assert!(header(request, "host").starts_with("127.0.0.1:"));
        let media = header(request, "content-type");
        assert_eq!(media, if request.body.is_null() { "" } else { "application/scim+json" });
    }
}

#[tokio::test]
async fn a_template_creates_users_with_the_older_media_type() {
    let fake = Fake::start().await;
    let plan = plan(&fake, Idp::OktaTemplate, Cycle::Initial);
    simulate::run(plan, &Progress::Silent).await.unwrap();
    let requests = fake.take();
    let creations: Vec<_> = requests
        .iter()
        .filter(|request| request.method == "POST" && request.path.ends_with("/Users"))
        .map(|request| request.headers["content-type"].clone())
        .collect();
    assert_eq!(creations, ["application/json"; 2]);
}

#[tokio::test]
async fn entra_carries_its_flag_on_every_request() {
    let fake = Fake::start().await;
    for cycle in [Cycle::Initial, Cycle::Incremental, Cycle::Repeat] {
        simulate::run(plan(&fake, Idp::EntraFlag, cycle), &Progress::Silent).await.unwrap();
    }
    for request in fake.take() {
        assert!(request.path.ends_with("aadOptscim062020"), "{}", request.path);
    }
}

#[tokio::test]
async fn one_connection_at_a_time_is_kept() {
    let fake = Fake::start().await;
    let plan = Plan { users: 50, ..plan(&fake, Idp::Entra, Cycle::Initial) };
    simulate::run(plan, &Progress::Silent).await.unwrap();
    assert_eq!(fake.connections(), 1);
}
