//! An MDM service that does everything at once and counts how often it was called: a receiver of webhooks.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{self, Bytes, Data},
};
use anyhow::Context;

use crate::elsewhere;

/// The secret that messages are signed with. Nobody checks it here.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A running receiver; it ends with the program.
pub(crate) struct Receiver {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    orders: AtomicU64,
}

impl Receiver {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening to webhooks")?;
        let address = listener.local_addr().context("listening to webhooks")?;
        let counts = Arc::<Counts>::default();
        let data = Data::from(Arc::clone(&counts));
        let app = move || App::new().app_data(data.clone()).default_service(web::to(receive));
        thread::spawn(move || {
            elsewhere::stand_back()?;
            let serve = async { HttpServer::new(app).workers(1).listen(listener)?.run().await };
            actix_web::rt::System::new().block_on(serve).context("serving webhooks")
        });
        Ok(Self { address, counts })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> u64 {
        self.counts.calls.load(Ordering::Relaxed)
    }

    /// How many of the calls were orders.
    pub(crate) fn orders(&self) -> u64 {
        self.counts.orders.load(Ordering::Relaxed)
    }
}

/// To an order: it is taken. To the question how it stands: it is done.
async fn receive(body: Bytes, counts: Data<Counts>) -> HttpResponse {
    counts.calls.fetch_add(1, Ordering::Relaxed);
    let kind = b"\"device_action.requested\"";
    let is_order = body.windows(kind.len()).any(|part| part == kind);
    counts.orders.fetch_add(u64::from(is_order), Ordering::Relaxed);
    HttpResponse::Ok().finish()
}
