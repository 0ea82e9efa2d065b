//! `/workspaces/{ws}/checkpoint`, `/proof`, `/consistency` and `/keys`: what proves the record
//! (rule 31).

use actix_web::{HttpResponse, http::Method, web::Json};
use app::admin::proofs::{Consistent, Included};
use data_encoding::BASE64;
use event_log::{Hash, TreeHead};
use record::{KeyState, PublicKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Done},
    ask::{Ask, Kept},
    endpoint::Endpoint,
    params::Params,
    problem::Refused,
    words,
};

/// The media type of a signed note.
const NOTE: &str = "text/plain; charset=utf-8";

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let path = "/workspaces/{ws}/checkpoint";
    let what =
        "Get size and root of the record's tree, signed: a C2SP checkpoint, to keep elsewhere";
    let mut checkpoint = Endpoint::new(Method::GET, path, what, checkpoint)
        .param("size", "As it was with so many events; all unless said");
    checkpoint.answer.status = 200;
    checkpoint.answer.says = "The signed note";
    vec![
        checkpoint.or_as(NOTE, words::text()),
        Endpoint::new(
            Method::GET,
            "/workspaces/{ws}/proof",
            "Prove that an event is in the tree (RFC 6962 §2.1.1)",
            inclusion,
        )
        .needs("position", "The event's position")
        .param("size", "The size of the tree; that of now unless said")
        .shows::<Inclusion>(),
        Endpoint::new(
            Method::GET,
            "/workspaces/{ws}/consistency",
            "Prove that a tree begins with an earlier one (RFC 6962 §2.1.2)",
            consistency,
        )
        .needs("from", "The size of the earlier tree")
        .param("to", "The size of the later tree; that of now unless said")
        .shows::<Consistency>(),
        Endpoint::new(
            Method::GET,
            "/workspaces/{ws}/keys",
            "List the keys that sign, or have signed, checkpoints, oldest first",
            keys,
        )
        .shows::<Keys>(),
        Endpoint::new(
            Method::POST,
            "/keys/rotate",
            "Replace the key that signs checkpoints, of all workspaces; both sign a last one each",
            rotate,
        ),
    ]
}

/// A tree.
#[derive(Debug, Serialize, ToSchema)]
struct Tree {
    /// How many events are in it.
    size: u64,
    /// The root hash, base64.
    root: String,
}

/// Proof that an event is in a tree.
#[derive(Debug, Serialize, ToSchema)]
struct Inclusion {
    position: u64,
    /// The leaf hash, base64.
    leaf: String,
    tree: Tree,
    /// The hashes beside the way from the leaf to the root, from the leaf up; base64.
    path: Vec<String>,
}

/// Proof that a tree begins with an earlier one.
#[derive(Debug, Serialize, ToSchema)]
struct Consistency {
    from: Tree,
    to: Tree,
    /// Base64.
    path: Vec<String>,
}

/// The keys of a workspace.
#[derive(Debug, Serialize, ToSchema)]
struct Keys {
    /// Oldest first; the last one signs.
    items: Vec<Key>,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "read as `items[].key`, where it says what it is")]
struct Key {
    /// What verifies checkpoints: a C2SP verifier key.
    key: String,
    #[schema(schema_with = words::time)]
    made: String,
    /// When another key took over; null for the one that signs.
    retired: Option<String>,
    /// Its last checkpoint, which names the next key and is signed by both; null where it signs
    /// still, and for a workspace that was not there yet. Of a workspace that was imported it names the
    /// next key where whoever exported it knew that key.
    last_checkpoint: Option<String>,
}

impl From<TreeHead> for Tree {
    fn from(head: TreeHead) -> Self {
        Self { size: head.size, root: BASE64.encode(&head.root) }
    }
}

impl From<PublicKey> for Key {
    fn from(key: PublicKey) -> Self {
        let (retired, last_checkpoint) = match key.state {
            KeyState::Signs => (None, None),
            KeyState::Retired { at, last } => (Some(at), last),
        };
        Self { key: key.verifier.to_string(), made: key.made, retired, last_checkpoint }
    }
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| BASE64.encode(hash)).collect()
}

async fn checkpoint(Kept(inside): Kept, params: Params) -> Result<HttpResponse, Refused> {
    let size = params.position("size")?;
    let note = inside.app.signed_checkpoint(&inside.workspace, size).await?;
    Ok(HttpResponse::Ok().content_type(NOTE).body(note.to_string()))
}

async fn inclusion(Kept(inside): Kept, params: Params) -> Answer<Inclusion> {
    let position = params.position("position")?;
    let position = position.ok_or_else(|| Refused::parameter("position", "must be given"))?;
    let size = params.position("size")?;
    let found = inside.app.prove_inclusion(&inside.workspace, position, size).await?;
    let Included { head, proof } = found;
    let (leaf, path) = (BASE64.encode(&proof.leaf), base64(&proof.path));
    Ok(Json(Inclusion { position, leaf, tree: head.into(), path }))
}

async fn consistency(Kept(inside): Kept, params: Params) -> Answer<Consistency> {
    let from = params.position("from")?;
    let from = from.ok_or_else(|| Refused::parameter("from", "must be given"))?;
    let to = params.position("to")?;
    let found = inside.app.prove_consistency(&inside.workspace, from, to).await?;
    let Consistent { from, to, path } = found;
    Ok(Json(Consistency { from: from.into(), to: to.into(), path: base64(&path) }))
}

async fn keys(Kept(inside): Kept) -> Answer<Keys> {
    let keys = inside.app.signing_keys(&inside.workspace).await?;
    Ok(Json(Keys { items: keys.into_iter().map(Key::from).collect() }))
}

async fn rotate(ask: Ask) -> Result<Done, Refused> {
    ask.app.rotate_signing_key().await?;
    Ok(Done)
}
