//! A server that checks a token, parses the JSON of a body, and answers a constant.

use std::{fs, net::TcpListener, path::PathBuf};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{Method, header},
    web::{self, Bytes, Data, PayloadConfig},
};
use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::{TOKEN, commits::Commits};

/// The file with the answer to whoever asks for a user, makes or changes one.
pub(super) const USER: &str = "user.json";
/// The file with the answer to whoever looks for one.
pub(super) const LIST: &str = "list.json";

/// The largest body that is read, in bytes: as large as Muster reads.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What a reference server is started with.
#[derive(Args)]
pub(crate) struct Options {
    /// The directory with its answers.
    #[arg(long)]
    dir: PathBuf,
    /// Has a row of each change on disk before it answers.
    #[arg(long)]
    durable: bool,
}

struct State {
    user: Bytes,
    list: Bytes,
    commits: Option<Commits>,
}

/// Serves until the process is ended.
pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    let read = |name| fs::read(options.dir.join(name)).map(Bytes::from);
    let commits = options.durable.then(|| Commits::open(&options.dir.join("rows.db")));
    let state = Data::new(State {
        user: read(USER).context("reading an answer")?,
        list: read(LIST).context("reading an answer")?,
        commits: commits.transpose()?,
    });
    let listener = TcpListener::bind("127.0.0.1:0").context("listening")?;
    let address = listener.local_addr().context("listening")?;
    let app = move || {
        let bodies = PayloadConfig::new(BODY_BYTES_MAX);
        App::new().app_data(state.clone()).app_data(bodies).default_service(web::to(answer))
    };
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(app).listen(listener).context("serving")?.run();
        crate::print(&format!("listening on http://{address}\n"));
        server.await.context("serving")
    })
}

async fn answer(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let token = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    if token.and_then(|it| it.strip_prefix(b"Bearer ")) != Some(TOKEN.as_bytes()) {
        return HttpResponse::Unauthorized().finish();
    }
    if *request.method() == Method::GET {
        let found = if request.query_string().is_empty() { &state.user } else { &state.list };
        return scim(HttpResponse::Ok(), found);
    }
    let Ok(parsed) = serde_json::from_slice::<Value>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    if let Some(commits) = &state.commits
        && commits.commit(body).await.is_err()
    {
        return HttpResponse::InternalServerError().finish();
    }
    // Dropped here: what was parsed has to be in memory until the end, as with anybody who uses it.
    drop(parsed);
    if *request.method() == Method::POST {
        scim(HttpResponse::Created(), &state.user)
    } else {
        scim(HttpResponse::Ok(), &state.user)
    }
}

fn scim(mut answer: actix_web::HttpResponseBuilder, body: &Bytes) -> HttpResponse {
    answer.content_type("application/scim+json").body(body.clone())
}
