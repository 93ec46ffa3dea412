//! One connection for all of a web server's handlers, in the way of axum: the state is cloned into each request.
//!
//! ```text
//! cargo run -p beanstalk-tokio --example handler [address]
//! ```
//!
//! Without an address it starts a server of its own.

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{Lost, SharedClient};
use tokio::task::JoinSet;

/// What every handler gets a clone of.
#[derive(Clone)]
struct App {
    queue: SharedClient,
}

/// A handler: `POST /signup`. It waits for no other request, and no other request waits for it.
async fn signup(app: App, email: String) -> (u16, String) {
    match app.queue.put_in("welcome-mails", 100, 0, 60, email).await {
        Ok(outcome) => (202, format!("job {}", outcome.id())),
        // Nothing was queued, so the client may try again.
        Err(error) if error.lost() == Some(Lost::NotSent) => (503, error.to_string()),
        Err(error) => (500, error.to_string()),
    }
}

/// Another one, about another tube: `GET /reports/pending`.
async fn pending_reports(app: App) -> (u16, String) {
    match app.queue.stats_tube("reports").await {
        Ok(stats) => (200, stats.current_jobs_ready.unwrap_or_default().to_string()),
        Err(error) if error.command_error().is_some() => (200, "0".into()),
        Err(error) => (500, error.to_string()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = EmbeddedServer::start()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| own.addr().into());

    // It connects again by itself, and handlers wait meanwhile.
    let queue = SharedClient::connect(&address).await?;
    let app = App { queue };

    // Five hundred requests at once.
    let mut requests = JoinSet::new();
    for n in 0..500 {
        requests.spawn(signup(app.clone(), format!("user-{n}@example.org")));
        if n % 100 == 0 {
            requests.spawn(pending_reports(app.clone()));
        }
    }
    let mut accepted = 0;
    while let Some(response) = requests.join_next().await {
        accepted += usize::from(response?.0 == 202);
    }
    println!("{accepted} mails to send");

    // Ends the connection in order, once all is answered.
    app.queue.disconnect().await;
    Ok(())
}
