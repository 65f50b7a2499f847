//! The thread that publishes: slow listeners hold nobody up but it.

use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::warn;

use super::outbox::Parcel;
use crate::ports::Clock;
use crate::ports::Event;

/// The thread that publishes, and the queue to it.
pub struct Publisher {
    /// What goes out.
    pub events: mpsc::Sender<Parcel>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Publisher {
    /// Poses are found here, where nothing waits for them but the answer itself.
    pub fn spawn(
        mut publish: impl FnMut(Event) + Send + 'static,
        target_frame: Option<String>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (events, mut events_in) = mpsc::channel::<Parcel>(2);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("publish".into()).spawn(move || {
            while let Some(parcel) = events_in.blocking_recv() {
                publish(parcel.open(clock(), target_frame.as_deref()));
            }
            // The loop may have given up waiting.
            let _ = end.send(());
        })?;
        Ok(Self { events, ended, thread })
    }

    /// Lets the thread publish what it has, until `until`.
    pub async fn finish(&mut self, until: Instant) {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.events, closed));
        if timeout_at(until, &mut self.ended).await.is_err() {
            warn!("the end came before the last answer was published");
        }
    }

    /// Its last words.
    pub fn panic_message(self) -> String {
        super::panic_message(self.thread)
    }
}
