//! Enterprise Gateway: its process, and requests to it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::config::ResearchConfig;
use crate::error::Error;
use crate::size::Size;
use crate::spawn::Spawner;
use crate::tokens::random_hex;

/// How long the gateway may take to answer. Ending a kernel that does not listen takes it several seconds.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long its first answer may take: Python imports on a busy machine.
const START: Duration = Duration::from_secs(180);
/// The largest answer that is read.
const LARGEST: usize = 8 << 20;
/// How long it may take to stop by itself.
const STOP: Duration = Duration::from_secs(5);

/// An answer of the gateway.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// The gateway, as this service alone can ask it.
pub(crate) struct Gateway {
    config: Arc<ResearchConfig>,
    secret: String,
}

impl Gateway {
    pub(crate) fn new(config: Arc<ResearchConfig>) -> Result<Self, Error> {
        Ok(Self { config, secret: random_hex(24)? })
    }

    fn home(&self) -> PathBuf {
        self.config.folder("gateway")
    }

    /// Writes what the gateway reads when it starts: its configuration with the secret, and kernel specifications.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        let account = self.config.gateway_account;
        let home = self.home();
        ResearchConfig::make(&home, 0o700, account)?;
        for folder in ["runtime", "data/kernels"] {
            ResearchConfig::make(&home.join(folder), 0o700, account)?;
        }
        ResearchConfig::make(&home.join("data"), 0o700, account)?;
        let mut argv = self.config.commands.attach();
        argv.push("{connection_file}".into());
        for size in Size::ALL {
            let limits = self.config.rules.sizes.of(size);
            let memory = limits.memory as f64 / f64::from(1 << 30);
            let spec = json!({
                "argv": argv,
                "display_name": format!("KubeTrader {size} ({} CPU, {memory:.1} GiB)", limits.cpus),
                "language": "python",
                "interrupt_mode": "signal",
                "metadata": {"debugger": false},
            });
            let folder = home.join("data/kernels").join(size.spec());
            ResearchConfig::make(&folder, 0o700, account)?;
            self.write(&folder.join("kernel.json"), &spec)?;
        }
        let settings = json!({
            "EnterpriseGatewayApp": {
                "ip": self.config.gateway.ip().to_string(),
                "port": self.config.gateway.port(),
                "port_retries": 0,
                "auth_token": self.secret,
                "list_kernels": true,
                "log_level": "ERROR",
            },
            "KernelSpecManager": {"ensure_native_kernel": false, "whitelist": Size::ALL.map(Size::spec)},
            "MappingKernelManager": {"default_kernel_name": Size::S.spec()},
        });
        self.write(&self.settings(), &settings)
    }

    fn settings(&self) -> PathBuf {
        self.home().join("gateway.json")
    }

    fn write(&self, path: &std::path::Path, value: &Value) -> Result<(), Error> {
        use std::io::Write as _;
        use std::os::unix::fs::{OpenOptionsExt as _, fchown};
        let _ = std::fs::remove_file(path);
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
        let file = file.as_mut().map_err(|error| Error::file(path)(error))?;
        if let Some(account) = self.config.gateway_account {
            fchown(&*file, Some(account.uid), Some(account.gid)).map_err(Error::file(path))?;
        }
        file.write_all(value.to_string().as_bytes()).map_err(Error::file(path))
    }

    /// Starts the process and waits for its first answer.
    pub(crate) async fn start(&self, spawner: &Spawner) -> Result<Child, Error> {
        let mut command = self.config.commands.gateway();
        let home = self.home();
        command
            .arg("-m")
            .arg("enterprise_gateway")
            .arg(format!("--config={}", self.settings().display()))
            .env("HOME", &home)
            .env("JUPYTER_DATA_DIR", home.join("data"))
            .env("JUPYTER_CONFIG_DIR", home.join("data"))
            .env("JUPYTER_RUNTIME_DIR", home.join("runtime"))
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child =
            spawner.start(command).await.map_err(|error| Error::Gateway(format!("cannot start: {error}")))?;
        if let Some(output) = child.stderr.take() {
            tokio::spawn(pass_on(output));
        }
        let deadline = tokio::time::Instant::now() + START;
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(Error::Gateway(format!(
                    "ended at its start with {status}; its words are in the log above"
                )));
            }
            match self.call(Method::GET, "/api/kernels", None).await {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(child),
                Ok(answer) => tracing::debug!(status = %answer.status, "the gateway is not ready"),
                Err(error) => tracing::debug!(%error, "the gateway is not ready"),
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Error::Gateway(format!("no answer within {} s", START.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks the process to stop and kills it if it does not.
    pub(crate) async fn stop(child: &mut Child) {
        let signal = |signal| child_id(child).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok());
        signal(rustix::process::Signal::TERM);
        if tokio::time::timeout(STOP, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }

    /// One request with the gateway's own secret. `path` is put together by this service, never by a client.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|error| Error::Gateway(error.to_string()))?;
        let asked = async {
            let (answer, _) = self.send(request).await?;
            let status = answer.status();
            let body = axum::body::to_bytes(Body::new(answer.into_body()), LARGEST).await;
            Ok(Answer { status, body: body.map_err(|error| Error::Gateway(format!("{path}: {error}")))? })
        };
        let late = |_| Error::Gateway(format!("{path}: no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }

    /// Sends a request on a connection of its own, and answers the head of what comes back. The task carries the
    /// connection, upgraded ones too.
    pub(crate) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<(hyper::Response<Incoming>, tokio::task::JoinHandle<()>), Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Gateway(format!("{}: {error}", self.config.gateway));
        let secret = HeaderValue::from_str(&format!("token {}", self.secret)).expect("hexadecimal digits");
        let host = HeaderValue::from_str(&self.config.gateway.to_string()).expect("an address");
        request.headers_mut().insert(header::AUTHORIZATION, secret);
        request.headers_mut().insert(header::HOST, host);
        let socket = TcpStream::connect(self.config.gateway).await.map_err(|error| failed(&error))?;
        let _ = socket.set_nodelay(true);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
        let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to the gateway ended in the midst of an answer");
            }
        });
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        Ok((answer, task))
    }
}

fn child_id(child: &Child) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(child.id()?.cast_signed())
}

/// The gateway's words, into the log of this service.
async fn pass_on(output: impl tokio::io::AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            tracing::info!(from = "gateway", "{}", line.trim_end());
        }
    }
}
