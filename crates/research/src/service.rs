//! The service as a whole: gateway, launcher, proxy and keeper, and their order of coming and going.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kt_ops::Readiness;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::audit::Audit;
use crate::config::ResearchConfig;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::kernels::Kernels;
use crate::launch::{self, Launcher};
use crate::metrics::Metrics;
use crate::spawn::Spawner;
use crate::tokens::Tokens;

/// Pauses before the gateway is started again: doubled each time, from the first to the last.
const RESTART: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What requests share.
pub(crate) struct Shared {
    pub(crate) config: Arc<ResearchConfig>,
    pub(crate) tokens: Tokens,
    pub(crate) kernels: Kernels,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
    pub(crate) gateway: Gateway,
    pub(crate) launcher: Launcher,
    /// One start at a time: the gateway keeps a request's variables in a place that all requests share.
    pub(crate) starts: tokio::sync::Mutex<()>,
}

impl Shared {
    /// Ends a kernel: asks the gateway, then makes sure, and only then gives its place free.
    pub(crate) async fn end(&self, id: &str) {
        if let Err(error) = self.gateway.call(Method::DELETE, &format!("/api/kernels/{id}"), None).await {
            tracing::warn!(%error, kernel = id, "the gateway does not end a kernel; its processes are ended");
        }
        self.launcher.finish(id).await;
        self.kernels.remove(id);
    }

    /// Ends every kernel without asking the gateway, which is gone or going.
    async fn end_all(&self, cause: &'static str) {
        for kernel in self.kernels.all() {
            self.kernels.update(&kernel.id, |kernel| kernel.ending = Some(cause));
            self.launcher.finish(&kernel.id).await;
            self.kernels.remove(&kernel.id);
        }
    }
}

/// Serves research kernels until `stop` completes.
///
/// # Errors
/// Folders, addresses or programs that cannot be used, at once; the server of metrics stopping, later. A gateway that
/// ends is started again.
pub async fn serve(config: ResearchConfig, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let config = Arc::new(config);
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|reason| Error::Listen { address: config.listen, reason })?;
    // Kernels' users must be able to pass through to their own folders; what is private here has a mode of its own.
    ResearchConfig::make(&config.directory, 0o711, None)?;
    let metrics = Metrics::default();
    let spawner = Spawner::new().map_err(|error| Error::Kernel(format!("starting a thread: {error}")))?;
    let shared = Arc::new(Shared {
        tokens: Tokens::new(&ResearchConfig::tokens_file(&config.directory)),
        kernels: Kernels::default(),
        audit: Audit::open(&config.folder("audit.jsonl"), metrics.clone())?,
        gateway: Gateway::new(Arc::clone(&config))?,
        launcher: Launcher::new(Arc::clone(&config), spawner.clone()).await?,
        metrics: metrics.clone(),
        starts: tokio::sync::Mutex::default(),
        config: Arc::clone(&config),
    });
    for (limit, by) in shared.launcher.enforcement() {
        metrics.enforced(limit, by);
        if by == "nothing" {
            tracing::warn!(limit, "nothing here keeps kernels to this limit");
        }
    }
    shared.gateway.prepare()?;
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let readiness = Readiness::not_ready("the gateway starts");
    let (stopped, stopping) = watch::channel(false);
    let operations = kt_ops::serve(config.operations, Arc::new(registry), readiness.clone(), wait(stopping.clone()));
    let mut operations = tokio::spawn(operations);
    let launches = tokio::spawn(launch::serve(Arc::clone(&shared), shared.launcher.listen()?));
    let keeper = tokio::spawn(crate::keeper::keep(Arc::clone(&shared), readiness.clone()));
    let app = crate::proxy::router(Arc::clone(&shared)).into_make_service_with_connect_info::<SocketAddr>();
    // Connections are not waited for: those that are left when kernels have ended carry nothing.
    let proxy = tokio::spawn(async move { axum::serve(listener, app).await });
    let gateway = tokio::spawn(keep_gateway(Arc::clone(&shared), spawner, readiness.clone(), wait(stopping)));
    tokio::pin!(stop);
    let outcome = tokio::select! {
        () = &mut stop => Ok(()),
        ended = &mut operations => {
            ended.unwrap_or_else(|error| Err(kt_ops::Error::Serve(std::io::Error::other(error)))).map_err(Error::from)
        }
    };
    readiness.set_not_ready("stopping");
    keeper.abort();
    proxy.abort();
    shared.end_all("service_stopped").await;
    stopped.send_replace(true);
    let _ = gateway.await;
    launches.abort();
    shared.launcher.close();
    outcome
}

async fn wait(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a reason to stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Keeps the gateway running until `stop` completes.
async fn keep_gateway(shared: Arc<Shared>, spawner: Spawner, readiness: Readiness, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut pause = RESTART.0;
    loop {
        let started = tokio::select! {
            () = &mut stop => return,
            started = shared.gateway.start(&spawner) => started,
        };
        match started {
            Ok(mut child) => {
                readiness.set_ready();
                tracing::info!(address = %shared.config.listen, "research ready");
                tokio::select! {
                    () = &mut stop => {
                        Gateway::stop(&mut child).await;
                        return;
                    }
                    status = child.wait() => tracing::error!(?status, "the gateway ended by itself"),
                }
                pause = RESTART.0;
            }
            Err(error) => tracing::error!("{error}"),
        }
        readiness.set_not_ready("the gateway starts again");
        // Without it nobody reaches these kernels, and the next one does not know them.
        shared.end_all("gateway_ended").await;
        shared.metrics.gateway_restarts.inc();
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(RESTART.1);
    }
}
