//! A page on this machine: the live picture, a place to type and to point, and the answer as it grows. Off by default
//! (`web.port`). It takes no script from elsewhere and no question from another origin.

mod ask;
mod origin;
mod shown;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures::SinkExt;
use futures::channel::mpsc;
use thiserror::Error;
use tiny_http::Header;
use tiny_http::Method;
use tiny_http::Request;
use tiny_http::Response;
use tiny_http::Server;
use tracing::debug;
use tracing::info;

use crate::ports::Input;
use shown::Shown;

/// Requests in work at one time: one that streams an answer, and pictures meanwhile, for a few windows.
const WORKERS: usize = 8;

/// Why there is no page.
#[derive(Debug, Error)]
#[error("web page on {address}:{port}: {why}")]
pub struct WebError {
    /// `web.address`.
    address: String,
    /// `web.port`.
    port: u16,
    /// What the system said.
    why: String,
}

/// A page that is served.
pub struct Web {
    server: Arc<Server>,
    workers: Vec<JoinHandle<()>>,
}

/// What every worker needs.
struct Site {
    inputs: mpsc::Sender<Input>,
    shown: Shown,
    address: SocketAddr,
}

impl Web {
    /// Serves the page on `address`:`port`; port 0: a free one. Questions and looks go to `inputs`.
    pub fn open(address: &str, port: u16, inputs: mpsc::Sender<Input>) -> Result<Self, WebError> {
        let error = |why: String| WebError { address: address.to_string(), port, why };
        let server = Server::http((address, port)).map_err(|e| error(e.to_string()))?;
        let at = server.server_addr().to_ip().ok_or_else(|| error("not an IP address".to_string()))?;
        let (server, site) = (Arc::new(server), Arc::new(Site { inputs, shown: Shown::default(), address: at }));
        let mut workers = vec![];
        for _ in 0..WORKERS {
            let (server, site) = (Arc::clone(&server), Arc::clone(&site));
            let work = move || {
                while let Ok(request) = server.recv() {
                    // Whoever asked may have gone meanwhile.
                    if let Err(gone) = site.serve(request) {
                        debug!("web: {gone}");
                    }
                }
            };
            let worker =
                std::thread::Builder::new().name("web".into()).spawn(work).map_err(|e| error(e.to_string()))?;
            workers.push(worker);
        }
        info!("web page on http://{at}/");
        Ok(Self { server, workers })
    }

    /// Where it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.server_addr().to_ip()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.workers.iter().for_each(|_| self.server.unblock());
        for worker in self.workers.drain(..) {
            // A panic was told by its own message; the page goes either way.
            let _ = worker.join();
        }
    }
}

impl Site {
    fn serve(&self, request: Request) -> io::Result<()> {
        if let Err(why) = origin::check(&request, self.address) {
            return request.respond(text(403, &why));
        }
        let path = request.url().split('?').next().unwrap_or_default().to_string();
        match (request.method(), path.as_str()) {
            (Method::Get, "/") => request.respond(file("text/html", include_str!("page.html"))),
            (Method::Get, "/page.js") => request.respond(file("text/javascript", include_str!("page.js"))),
            (Method::Get, "/page.css") => request.respond(file("text/css", include_str!("page.css"))),
            (Method::Get, "/frame") => self.frame(request),
            (Method::Post, "/ask") => self.ask(request),
            _ => request.respond(text(404, "there is /, /frame and /ask")),
        }
    }

    /// Hands something to the pipeline; false: it has ended.
    fn put(&self, input: Input) -> bool {
        futures::executor::block_on(self.inputs.clone().send(input)).is_ok()
    }
}

fn file(kind: &str, content: &'static str) -> Response<io::Cursor<Vec<u8>>> {
    // Nothing from elsewhere, and this page in no other's frame.
    let policy = "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'";
    Response::from_string(content)
        .with_header(header("Content-Type", &format!("{kind}; charset=utf-8")))
        .with_header(header("Content-Security-Policy", policy))
        .with_header(header("Cache-Control", "no-store"))
}

fn text(status: u16, words: &str) -> Response<io::Cursor<Vec<u8>>> {
    Response::from_string(words).with_status_code(status)
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("{name}: {value} is ASCII"))
}
