//! Applivery with SCIM that is added to one's own SAML application in Okta: the Store, its publications
//! and who may enter it. Okta never sends PATCH here.
//!
//! Source: docs.applivery.com/en/platform/authentication/sso/scim (2026-11).

use serde_json::{Value, json};
use simulate::Idp;
use testkit::{scim, setup::Connector};

use super::{
    ENTERPRISE,
    console::{Console, EMPLOYEES},
    cycles, directory,
    okta::{self, Okta, Way},
    shows,
};

/// The external namespace of an attribute that was added in the Profile Editor.
const CUSTOM: &str = "urn:company:params:scim:schemas:extension:custom:2.0:User";

fn person(name: &str) -> Value {
    let user_name = format!("{}@acme.example", name.to_lowercase());
    let mut user = okta::user(&user_name, name, "Smith", &format!("00u-{name}"));
    user[ENTERPRISE] = json!({ "department": "Field" });
    user[CUSTOM] = json!({ "employeeId": format!("E-{name}") });
    user
}

fn mails<const N: usize>(names: [&str; N]) -> [String; N] {
    names.map(|name| format!("{name}@acme.example"))
}

/// Who was pushed and assigned, by their SCIM ids.
struct Pushed {
    ada: String,
    bob: String,
    sales: String,
}

#[tokio::test]
async fn guide_applivery_with_okta_native() {
    let mut console = Console::open().await;
    let (connector, expenses) = enable_scim(&mut console).await;
    let mut okta = Okta::with(&connector, Way::Native);

    // Step 4: Provisioning > Integration > Test Connector Configuration, Save.
    okta.test_connection().await;

    let pushed = assign_and_push(&mut console, &mut okta, &expenses).await;
    profile_changes(&mut console, &mut okta, &pushed).await;
    unassign_and_assign_again(&mut console, &mut okta, &pushed, &expenses).await;
    nothing_on_deactivation(&mut console, &mut okta, &expenses).await;
    groups_change(&mut console, &mut okta, &pushed, &expenses).await;

    // Step 13: Everybody else, with the cycle that follows.
    let mut directory = directory(12);
    cycles(&mut console, &connector, Idp::OktaNative, &mut directory).await;
    console.shows_directory(EMPLOYEES, "groups", &directory).await;

    // Step 14: Import Now: Okta reads what is there, page by page.
    let names = scim::all(&mut okta.client, "/Users").await.unwrap().into_iter();
    let names: Vec<_> = names.map(|it| it["userName"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), directory.people.len() + 3);
    assert!(mails(["ada", "bob", "cyd"]).iter().all(|name| names.contains(name)));
}

/// Step 1: SAML of the Store, with the metadata of the application.
/// Step 2: Enable SCIM.
/// Step 3: What creation and deactivation do, what becomes of attributes, which groups the Store
/// requires and one publication for groups that nobody has pushed yet. Returns the connector and
/// the publication.
async fn enable_scim(console: &mut Console) -> (Connector, String) {
    console.configure_saml("store", false).await;
    let connector = console.enable_scim("store", json!({ "idp": "okta" })).await;
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    console.provisioning("store", rule).await;
    let employee_id = json!([{ "namespace": CUSTOM, "key": "employeeId" }]);
    let mapping = json!([
        { "name": "department", "attributes": [{ "namespace": ENTERPRISE, "key": "department" }] },
        { "name": "employeeCode", "attributes": employee_id },
    ]);
    console.put("/connectors/store/attribute-mapping", mapping).await;
    console.put("/portals/store/access", json!({ "groups": [["Sales"], ["Board"]] })).await;
    let expenses = json!({ "name": "Expenses", "groups": [["sales", "emea"], ["board"]] });
    let expenses = console.make("/publications", expenses).await;
    (connector, expenses)
}

/// Step 5: To App: Create Users, Update User Attributes, Deactivate Users; Assignments > Assign.
/// Step 6: Push Groups: who may enter, and who sees what.
async fn assign_and_push(console: &mut Console, okta: &mut Okta, expenses: &str) -> Pushed {
    let ada = okta.assign(&person("Ada")).await;
    let bob = okta.assign(&person("Bob")).await;
    let cyd = okta.assign(&person("Cyd")).await;
    assert_eq!(console.people(EMPLOYEES).await, mails(["ada", "bob", "cyd"]));
    let metadata = json!({ "department": "Field", "employeeCode": "E-Ada" });
    shows(
        &console.person(EMPLOYEES, &ada).await,
        json!({ "account": "active", "source": "scim", "metadata": metadata }),
    );
    assert_eq!(console.groups_of(&ada).await, (vec![], false), "the Store requires groups");
    assert_eq!(console.audience(expenses).await, [""; 0]);

    let sales = okta.push_group("Sales", &[&ada, &bob]).await;
    assert_eq!(console.audience(expenses).await, [""; 0], "sales alone is not enough");
    assert!(console.groups_of(&bob).await.1);
    okta.push_group("EMEA", &[&ada]).await;
    assert_eq!(console.audience(expenses).await, mails(["ada"]));
    okta.push_group("Board", &[&cyd]).await;
    assert_eq!(console.audience(expenses).await, mails(["ada", "cyd"]));
    assert!(console.groups_of(&cyd).await.1);
    let groups = [("Board", 1), ("EMEA", 1), ("Sales", 2)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(console.groups("groups").await, groups);
    let pending = console.items(&format!("/groups/{sales}/pending")).await;
    assert!(pending.is_empty(), "{pending:?}");
    Pushed { ada, bob, sales }
}

/// Step 7: A profile changes in Okta: a copy of what is there is put back, changed.
async fn profile_changes(console: &mut Console, okta: &mut Okta, pushed: &Pushed) {
    let edit = |user: &mut Value| {
        user[ENTERPRISE] = json!({ "department": "Office" });
        user.as_object_mut().unwrap().remove(CUSTOM);
        user["name"]["familyName"] = json!("King");
    };
    let shown = okta.update(&pushed.bob, edit).await;
    assert_eq!(shown["groups"][0]["value"], pushed.sales.as_str(), "what is ours stays");
    let bob = console.person(EMPLOYEES, &pushed.bob).await;
    assert_eq!(bob["metadata"], json!({ "department": "Office" }));
    let head = console.head().await;
    okta.update(&pushed.bob, edit).await;
    assert_eq!(console.head().await, head, "what is put again is nothing new");
    let seen = console.attributes_seen("store").await;
    assert!(seen.contains(&format!("{CUSTOM}:employeeId")), "{seen:?}");
}

/// Step 8: Unassigned: the employee is removed and counts for nothing, though Okta leaves them in
/// the groups.
/// Step 9: Assigned again.
async fn unassign_and_assign_again(
    console: &mut Console,
    okta: &mut Okta,
    pushed: &Pushed,
    expenses: &str,
) {
    let Pushed { ada, bob, sales } = pushed;
    okta.unassign(&person("Ada")).await;
    shows(
        &console.offboardings(ada).await[0],
        json!({ "state": "completed", "rule": "remove_user" }),
    );
    shows(&console.person(EMPLOYEES, ada).await, json!({ "account": "removed" }));
    assert_eq!(console.people(EMPLOYEES).await, mails(["bob", "cyd"]));
    assert_eq!(console.audience(expenses).await, mails(["cyd"]));
    assert_eq!(console.groups_of(ada).await, (vec![], false));
    let mut both = [ada.clone(), bob.clone()];
    both.sort();
    assert_eq!(console.members("groups", sales).await, both);

    assert_eq!(okta.assign(&person("Ada")).await, *ada, "the same id");
    let metadata = json!({ "department": "Field", "employeeCode": "E-Ada" });
    shows(
        &console.person(EMPLOYEES, ada).await,
        json!({ "account": "active", "metadata": metadata }),
    );
    assert_eq!(console.audience(expenses).await, mails(["ada", "cyd"]));
    assert_eq!(console.groups_of(ada).await, (vec!["EMEA".to_owned(), "Sales".to_owned()], true));
}

/// Step 10: The other choice for deactivation, nothing: Cyd stays an employee, and her groups count for
/// nothing until she is assigned again.
async fn nothing_on_deactivation(console: &mut Console, okta: &mut Okta, expenses: &str) {
    let rule =
        |on_deactivate: &str| json!({ "on_create": "create", "on_deactivate": on_deactivate });
    console.provisioning("store", rule("nothing")).await;
    okta.unassign(&person("Cyd")).await;
    assert_eq!(console.people(EMPLOYEES).await, mails(["ada", "bob", "cyd"]));
    assert_eq!(console.audience(expenses).await, mails(["ada"]));
    let cyd = okta.assign(&person("Cyd")).await;
    assert!(console.offboardings(&cyd).await.is_empty());
    assert_eq!(console.audience(expenses).await, mails(["ada", "cyd"]));
    assert_eq!(console.groups_of(&cyd).await, (vec!["Board".to_owned()], true));
    console.provisioning("store", rule("remove_user")).await;
}

/// Step 11: A pushed group has other members and another name.
/// Step 12: It is unlinked and deleted.
async fn groups_change(console: &mut Console, okta: &mut Okta, pushed: &Pushed, expenses: &str) {
    let Pushed { ada, bob, sales } = pushed;
    okta.push_again(sales, "Sales", &[bob, ada]).await;
    assert_eq!(console.audience(expenses).await, mails(["ada", "cyd"]));
    okta.push_again(sales, "Sales", &[bob]).await;
    assert_eq!(console.audience(expenses).await, mails(["cyd"]));
    okta.push_again(sales, "Sales Force", &[bob, ada]).await;
    assert_eq!(console.audience(expenses).await, mails(["cyd"]), "no group is called sales");
    assert!(!console.groups_of(bob).await.1);
    okta.push_again(sales, "SALES", &[bob, ada]).await;
    assert_eq!(console.audience(expenses).await, mails(["ada", "cyd"]));

    okta.unlink(sales).await;
    assert_eq!(console.audience(expenses).await, mails(["cyd"]));
    assert_eq!(console.people(EMPLOYEES).await, mails(["ada", "bob", "cyd"]), "its people stay");
}
