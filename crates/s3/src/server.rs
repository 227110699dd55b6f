//! Listening, signing in, answering, stopping.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use kt_ops::Readiness;
use prometheus_client::registry::Registry;
use s3s::S3Result;
use s3s::auth::{S3Auth, SecretKey, SimpleAuth};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::{TcpListener, TcpStream};

use crate::access::Rules;
use crate::config::S3Config;
use crate::error::S3Error;
use crate::guests::Guests;
use crate::metrics::Metrics;

/// How long requests get to end after the stop.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves S3 until `stop` completes.
///
/// # Errors
/// Port taken or directory unusable, at once; the server of metrics stopping, later.
pub async fn serve(config: S3Config, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), S3Error> {
    let listener =
        TcpListener::bind(config.listen).await.map_err(|reason| S3Error::Listen { address: config.listen, reason })?;
    let metrics = Metrics::default();
    let service = service(&config, &metrics)?;
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let readiness = Readiness::not_ready("starting");
    let (stopped, mut stopping) = tokio::sync::watch::channel(false);
    let told = wait(stopped.subscribe());
    let operations = tokio::spawn(kt_ops::serve(config.operations, Arc::new(registry), readiness.clone(), told));
    readiness.set_ready();
    tracing::info!(address = %config.listen, directory = %config.directory.display(), "s3 ready");
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    tokio::pin!(operations);
    loop {
        tokio::select! {
            () = &mut stop => break,
            ended = &mut operations => {
                ended.map_err(|error| kt_ops::Error::Serve(std::io::Error::other(error)))??;
                break;
            }
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => converse(socket, service.clone(), metrics.clone(), &graceful),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    let _ = stopped.send(true);
    let _ = stopping.changed().await;
    if tokio::time::timeout(CLOSING, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still run after {} s; they are cut off", CLOSING.as_secs());
    }
    Ok(())
}

async fn wait(mut stopping: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a reason to stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The S3 protocol over files, with its users and rules.
fn service(config: &S3Config, metrics: &Metrics) -> Result<S3Service, S3Error> {
    let directory = &config.directory;
    let wrong = |reason: String| S3Error::Directory { path: directory.clone(), reason };
    for bucket in &config.buckets {
        std::fs::create_dir_all(directory.join(bucket)).map_err(|error| wrong(error.to_string()))?;
    }
    let forgotten = crate::sweep::forgotten_checksums(directory).map_err(|error| wrong(error.to_string()))?;
    if forgotten > 0 {
        tracing::info!(forgotten, "removed checksums of deleted objects");
    }
    let files = FileSystem::new(directory).map_err(|error| wrong(format!("{error:?}")))?;
    let mut users = SimpleAuth::new();
    let guests = config.guests.clone().map(Guests::new);
    for user in &config.users {
        users.register(user.access_key.clone(), user.secret_key.clone().into());
    }
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(Keys { users, guests });
    builder.set_access(Rules::new(config, metrics.clone()));
    Ok(builder.build())
}

/// Secret keys: of users for as long as the server runs, of guests for as long as they are.
struct Keys {
    users: SimpleAuth,
    guests: Option<Guests>,
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.guests.as_ref().and_then(|guests| guests.find(access_key)) {
            Some(guest) => Ok(guest.secret_key.into()),
            None => self.users.get_secret_key(access_key).await,
        }
    }
}

fn converse(socket: TcpStream, service: S3Service, metrics: Metrics, graceful: &GracefulShutdown) {
    // Answers are small or streamed whole: waiting for more to send only delays them.
    let _ = socket.set_nodelay(true);
    let counted = metrics.clone();
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (service, metrics) = (service.clone(), counted.clone());
        let method = request.method().as_str().to_owned();
        async move {
            let answer = service.call(request.map(s3s::Body::from)).await;
            if let Ok(answer) = &answer {
                metrics.answered(&method, answer.status().as_u16());
            }
            answer
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(socket), answer).into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            metrics.broken();
            tracing::debug!(%error, "a connection ended in the midst of a request");
        }
    });
}
