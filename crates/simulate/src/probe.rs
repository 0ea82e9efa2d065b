//! What a cycle never asks, and a validator does.
//!
//! Wrong tokens, names that are taken, unknown ids, deletions: on two users and a group that are
//! made for it and deleted again, so that a connector is left as it was found. Microsoft's SCIM
//! validator and Okta's test suites ask the like; no provider sends it in its daily cycles.

use serde_json::{Value, json};

use crate::{
    Failure, Idp,
    cycle::{Run, members},
    expect::{Case, Expect, WORK_MAIL, attribute},
    people::Random,
    session::{Exchange, Request, equals},
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// Asks everything once.
pub(crate) async fn cycle(run: &Run) -> Result<(), Failure> {
    let seed = run.plan.seed;
    let mut random = Random::new(seed, u64::MAX);
    let probe = Probe {
        run,
        user_name: format!("Probe.{}@tenant{seed}.example", random.letters(6)),
        group_name: format!("Probe {}", random.letters(6)),
        nobody: random.uuid(),
    };
    run.session.progress().stage("probe", 4);
    if !probe.credentials().await? {
        return Ok(());
    }
    probe.sweep().await?;
    run.session.progress().step();
    let Some(user) = probe.user().await? else { return Ok(()) };
    run.session.progress().step();
    let group = probe.group(&user).await?;
    run.session.progress().step();
    probe.deletions(&user, group.as_deref()).await?;
    run.session.progress().step();
    Ok(())
}

struct Probe<'a> {
    run: &'a Run,
    user_name: String,
    group_name: String,
    /// An id that the server cannot know.
    nobody: String,
}

impl Probe<'_> {
    /// Asks with the right token, with a wrong one, and for what does not exist.
    async fn credentials(&self) -> Result<bool, Failure> {
        let path = format!("/Users?filter={}", equals("userName", &self.nobody));
        let none =
            self.get("test connection", path, Case::TestConnection, Expect::NoneFound).await?;
        if !none.good {
            return Ok(false);
        }
        let mut wrong = Request::get("wrong token", "/Users?startIndex=1&count=2");
        wrong.bearer = Some("Bearer wrong");
        self.run.send(wrong.wants(Case::BadToken, Expect::Refused(401, None))).await?;
        self.get("list groups", "/Groups?startIndex=1&count=100", Case::ListGroups, Expect::Page)
            .await?;

        let path = format!("/Users/{}", self.nobody);
        let user = json!({ "schemas": [USER], "userName": self.user_name });
        let inactive = patch(&json!({ "op": "replace", "path": "active", "value": false }));
        for request in [
            Request::get("unknown user", &path),
            Request::put("unknown user", &path, user),
            Request::patch("unknown user", &path, inactive),
            Request::delete("unknown user", &path),
        ] {
            self.run.send(request.wants(Case::UnknownId, Expect::Refused(404, None))).await?;
        }
        Ok(true)
    }

    /// Deletes what an earlier probe left behind when it was interrupted.
    async fn sweep(&self) -> Result<(), Failure> {
        for (kind, name, text) in
            [("Users", "userName", &self.user_name), ("Groups", "displayName", &self.group_name)]
        {
            let path = format!("/{kind}?filter={}", equals(name, text));
            let found = self.get("find leftovers", path, Case::UnknownId, Expect::Lookup).await?;
            if let Some(id) =
                found.answer.resources().first().and_then(|found| found["id"].as_str())
            {
                self.delete("delete leftovers", &format!("/{kind}/{id}"), Case::DeleteUser).await?;
            }
        }
        Ok(())
    }

    /// Creates a user, finds them in other letters, and is refused another of that name.
    async fn user(&self) -> Result<Option<String>, Failure> {
        let body = json!({
            "schemas": [USER], "userName": self.user_name, "title": "Analyst", "active": true,
            "meta": { "resourceType": "User", "version": "W/\"client\"" },
        });
        let request = Request::post("create user", "/Users", body);
        let created = self.run.send(request.wants(Case::CreateUser, Expect::Created)).await?;
        let Some(id) = created.answer.id().map(str::to_owned) else { return Ok(None) };

        let path = format!("/Users?filter={}", equals("userName", &self.user_name.to_uppercase()));
        let mut found = self.get("find user", path, Case::FindUser, Expect::OneFound).await?;
        let name =
            found.answer.resources().first().map_or(Value::Null, |user| user["userName"].clone());
        let kept = name == self.user_name.as_str();
        self.run
            .session
            .require(&mut found, Case::FindUser, kept, || format!("userName came back as {name}"));

        let taken = json!({ "schemas": [USER], "userName": self.user_name.to_lowercase() });
        let request = Request::post("create user again", "/Users", taken);
        let refused = Expect::Refused(409, Some("uniqueness"));
        self.run.send(request.wants(Case::DuplicateUser, refused)).await?;
        if matches!(self.run.plan.idp, Idp::Entra | Idp::EntraFlag) {
            self.attributes(&id).await?;
        }
        Ok(Some(id))
    }

    async fn attributes(&self, id: &str) -> Result<(), Failure> {
        let path = format!("/Users/{id}");
        for (case, name, text) in
            [(Case::WorkMail, WORK_MAIL, "probe@x.example"), (Case::ClearAttribute, "title", "")]
        {
            let body = patch(&json!({ "op": "replace", "path": name, "value": text }));
            let request = Request::patch("update user", &path, body);
            self.run.send(request.wants(case, Expect::Changed)).await?;
            let mut now = self.get("get user", &path, case, Expect::Whole).await?;
            let found = attribute(&now.answer.body, name).unwrap_or_default().to_owned();
            self.run.session.require(&mut now, case, found == text, || {
                format!("{name} is {found:?} instead of {text:?}")
            });
        }
        Ok(())
    }

    /// Creates a group with the user in it and finds it; adds and removes to no effect.
    async fn group(&self, user: &str) -> Result<Option<String>, Failure> {
        let body = json!({
            "schemas": [GROUP], "displayName": self.group_name, "members": [{ "value": user }],
        });
        let request = Request::post("push group", "/Groups", body);
        let created = self.run.send(request.wants(Case::PushGroup, Expect::Created)).await?;
        let Some(id) = created.answer.id().map(str::to_owned) else { return Ok(None) };

        let filter = equals("displayName", &self.group_name.to_uppercase());
        let path = format!("/Groups?excludedAttributes=members&filter={filter}");
        self.get("find group", path, Case::FindGroup, Expect::OneFound).await?;

        let path = format!("/Groups/{id}");
        let again = json!({ "op": "Add", "path": "members", "value": [{ "value": user }] });
        let request = Request::patch("add members", &path, patch(&again));
        self.run.send(request.wants(Case::AddMembers, Expect::Changed)).await?;
        let stranger = format!("members[value eq \"{}\"]", self.nobody);
        let remove = patch(&json!({ "op": "remove", "path": stranger }));
        let request = Request::patch("remove members", &path, remove);
        self.run.send(request.wants(Case::RemoveMembersByFilter, Expect::Changed)).await?;
        self.check_members(&path, Case::RemoveMembersByFilter, Some(user)).await?;
        Ok(Some(id))
    }

    /// Deletes the user, creates them anew under another id, and deletes all of it.
    async fn deletions(&self, user: &str, group: Option<&str>) -> Result<(), Failure> {
        let path = format!("/Users/{user}");
        let case = Case::DeleteUser;
        self.delete("delete user", &path, case).await?;
        self.get("get user", &path, case, Expect::Refused(404, None)).await?;
        let filter = format!("/Users?filter={}", equals("userName", &self.user_name));
        self.get("find user", filter, case, Expect::NoneFound).await?;
        if let Some(group) = group {
            self.check_members(&format!("/Groups/{group}"), case, None).await?;
        }
        let body = json!({ "schemas": [USER], "userName": self.user_name, "active": true });
        let request = Request::post("create user", "/Users", body);
        let mut anew = self.run.send(request.wants(case, Expect::Created)).await?;
        let id = anew.answer.id().unwrap_or_default().to_owned();
        self.run.session.require(&mut anew, case, id != user, || format!("{id} came back"));
        if !id.is_empty() {
            self.delete("delete user", &format!("/Users/{id}"), case).await?;
        }
        if let Some(group) = group {
            let path = format!("/Groups/{group}");
            self.delete("delete group", &path, Case::DeleteGroup).await?;
            let request = Request::delete("delete group again", path);
            self.run.send(request.wants(Case::DeleteGroup, Expect::Refused(404, None))).await?;
        }
        Ok(())
    }

    async fn check_members(
        &self,
        path: &str,
        case: Case,
        only: Option<&str>,
    ) -> Result<(), Failure> {
        let mut group = self.get("get group", path, case, Expect::Whole).await?;
        let members = members(&group.answer.body);
        let right = members.iter().map(String::as_str).eq(only);
        self.run.session.require(&mut group, case, right, || {
            format!("the members are {members:?} instead of {only:?}")
        });
        Ok(())
    }

    async fn get(
        &self,
        kind: &'static str,
        path: impl Into<String>,
        case: Case,
        expect: Expect,
    ) -> Result<Exchange, Failure> {
        self.run.send(Request::get(kind, path).wants(case, expect)).await
    }

    async fn delete(&self, kind: &'static str, path: &str, case: Case) -> Result<(), Failure> {
        self.run.send(Request::delete(kind, path).wants(case, Expect::NoContent)).await.map(drop)
    }
}

fn patch(operation: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation],
    })
}
