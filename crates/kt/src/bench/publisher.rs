//! The role that publishes: reads frames from a socket as the feed handler does, and sends a row for each.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use kt_bus::comparison::ClientPublisher;
use kt_bus::{Bus, BusConfig, HotConfig, HotPublisher, Route};
use kt_feed::clock::{Clock as _, SystemClock};
use kt_feed::metrics::FeedMetrics;
use kt_feed::{OpenWriter, Writer, WriterConfig};
use kt_model::schema::Kind;
use kt_model::stamp_position;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::pacer::{FRAME, read_frame};
use super::rows::{Rows, VENUE, now};
use super::{usage, worker};
use crate::error::Error;

/// Which sender is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Path {
    /// The bus's own sender alone.
    Hot,
    /// The general client's core publish with headers.
    Client,
    /// The feed's writer: sender, blocks, spool and durable log.
    Writer,
}

impl Path {
    pub(super) const ALL: [Self; 3] = [Self::Hot, Self::Client, Self::Writer];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot publisher",
            Self::Client => "async-nats client",
            Self::Writer => "whole writer",
        }
    }
}

/// What the role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
    pub(super) path: Path,
    /// Where the writer may spool.
    pub(super) folder: PathBuf,
}

/// What it used.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) rows: u64,
    pub(super) dropped: u64,
    pub(super) cpu: Duration,
}

/// Runs the role on one thread, as the feed does for each venue.
pub(super) async fn run(setup: Setup) -> Result<(), Error> {
    let bus = Bus::connect(&BusConfig::local(setup.nats_port, "bench-publisher")).await.map_err(failed())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed())?;
    let port = listener.local_addr().map_err(failed())?.port();
    let sender = match setup.path {
        Path::Hot => Sender::Hot(HotPublisher::connect(&bus, HotConfig::default()).await.map_err(failed())?),
        Path::Client => Sender::Client(ClientPublisher::new(&bus)),
        Path::Writer => return with_writer(&bus, &setup, listener, port).await,
    };
    worker::say(&port)?;
    let (stream, _) = listener.accept().await.map_err(failed())?;
    let cpu = usage::of_this_process();
    let mut direct = Direct { sender, routes: [[None; 6]; Kind::COUNT], row: Vec::with_capacity(4096), counter: 0 };
    direct.relay(stream).await?;
    worker::asked_to_finish().await;
    bus.flush(Duration::from_secs(5)).await.map_err(failed())?;
    worker::say(&Used { rows: direct.counter, dropped: direct.dropped(), cpu: usage::of_this_process() - cpu })
}

fn failed<E: std::fmt::Display>() -> impl FnOnce(E) -> Error {
    Error::doing("the publisher")
}

enum Sender {
    Hot(HotPublisher),
    Client(ClientPublisher),
}

/// Rows stamped and sent without a writer.
struct Direct {
    sender: Sender,
    routes: [[Option<Route>; 6]; Kind::COUNT],
    row: Vec<u8>,
    counter: u64,
}

impl Direct {
    async fn relay(&mut self, stream: TcpStream) -> Result<(), Error> {
        let rows = Rows::new();
        let mut frames = Frames::new(stream);
        while frames.read().await? {
            let received = now();
            for (number, due) in frames.whole() {
                self.send(&rows, number, due, received).await?;
            }
            if let Sender::Hot(hot) = &mut self.sender {
                while !hot.flush() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, rows: &Rows, number: u64, due: i64, received: kt_model::Nanos) -> Result<(), Error> {
        let event = rows.event(number, kt_model::Nanos(due), received);
        self.row.clear();
        event.encode(&mut self.row);
        self.counter += 1;
        stamp_position(&mut self.row, now(), self.counter, 1);
        let (kind, instrument) = (event.kind(), event.header().instrument.0);
        let known = self.routes[kind.index()][(number % 6) as usize];
        let sender = &mut self.sender;
        let route = known.unwrap_or_else(|| match sender {
            Sender::Hot(hot) => hot.route(kind, VENUE, instrument),
            Sender::Client(client) => client.route(kind, VENUE, instrument),
        });
        self.routes[kind.index()][(number % 6) as usize] = Some(route);
        match sender {
            Sender::Hot(hot) => hot.publish(route, &self.row),
            Sender::Client(client) => {
                client.publish(route, &self.row).await.map_err(failed())?;
            }
        }
        Ok(())
    }

    fn dropped(&self) -> u64 {
        match &self.sender {
            Sender::Hot(hot) => {
                let counts = hot.counts();
                counts.dropped_disconnected + counts.dropped_full + counts.dropped_too_large
            }
            Sender::Client(_) => 0,
        }
    }
}

/// The feed's writer in its own surroundings.
async fn with_writer(bus: &Bus, setup: &Setup, listener: TcpListener, port: u16) -> Result<(), Error> {
    let config = WriterConfig::new(VENUE, &setup.folder);
    let clock = SystemClock::default();
    let open = OpenWriter::open(bus, &config, Rc::new(clock), &FeedMetrics::default()).await;
    let open = open.map_err(Error::doing("the writer"))?;
    let writer = open.writer.clone();
    worker::say(&port)?;
    let (stream, _) = listener.accept().await.map_err(failed())?;
    let cpu = usage::of_this_process();
    let outcome: Rc<RefCell<Result<(), Error>>> = Rc::new(RefCell::new(Ok(())));
    let (work, told) = (writer.clone(), outcome.clone());
    let relay = async move {
        let ended = relay_to_writer(&work, &clock, stream).await;
        *told.borrow_mut() = ended;
        worker::asked_to_finish().await;
    };
    open.run(relay, Duration::from_secs(30)).await.map_err(Error::doing("the writer"))?;
    outcome.replace(Ok(()))?;
    let rows = writer.borrow().counter();
    worker::say(&Used { rows, dropped: 0, cpu: usage::of_this_process() - cpu })
}

async fn relay_to_writer(writer: &RefCell<Writer>, clock: &SystemClock, stream: TcpStream) -> Result<(), Error> {
    let rows = Rows::new();
    let mut frames = Frames::new(stream);
    while frames.read().await? {
        let (received, monotonic) = (now(), clock.monotonic());
        {
            let mut writer = writer.borrow_mut();
            for (number, due) in frames.whole() {
                writer.frame(monotonic, FRAME);
                writer.event(&rows.event(number, kt_model::Nanos(due), received));
            }
        }
        loop {
            let (sent, has_room) = {
                let mut writer = writer.borrow_mut();
                (writer.flush_hot(), writer.has_room())
            };
            if sent && has_room {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// Frames of fixed length from a socket.
pub(super) struct Frames {
    stream: TcpStream,
    buffer: Vec<u8>,
    used: usize,
}

impl Frames {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(64 << 10), used: 0 }
    }

    /// Waits for more; `false` at the end.
    pub(super) async fn read(&mut self) -> Result<bool, Error> {
        self.buffer.drain(..self.used);
        self.used = 0;
        loop {
            let count = self.stream.read_buf(&mut self.buffer).await.map_err(Error::doing("reading frames"))?;
            if count == 0 || self.buffer.len() >= FRAME {
                return Ok(count > 0);
            }
        }
    }

    /// The whole frames that were read.
    pub(super) fn whole(&mut self) -> impl Iterator<Item = (u64, i64)> + '_ {
        self.used = self.buffer.len() / FRAME * FRAME;
        self.buffer[..self.used].chunks_exact(FRAME).map(read_frame)
    }
}
