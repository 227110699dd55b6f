//! One kernel's processes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr};

use super::cgroup::{Controller, Group, Hierarchy};
use crate::config::{Account, ResearchConfig};
use crate::enter::{ENTERED, ProcessLimits, Spec};
use crate::error::Error;
use crate::kernels::Kernel;
use crate::spawn::Spawner;

/// Names the kernel in its processes' environment: where no control group holds them together, they are found by it.
const MARK: &str = "KUBETRADER_KERNEL";
/// How long the steps before the kernel's own program may take.
const ENTER: Duration = Duration::from_secs(20);
/// How much of what a kernel writes to standard error reaches the log: so many times so many characters.
const MOST_WORDS: u32 = 50;
const LONGEST_WORD: usize = 300;

/// What the kernel's first process is told.
pub(super) fn spec(
    config: &ResearchConfig,
    kernel: &Kernel,
    home: PathBuf,
    run: PathBuf,
    credentials: String,
    connection: Value,
) -> Result<Spec, Error> {
    let ports = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"].map(|name| {
        let port = connection[name].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 1023);
        port.ok_or_else(|| Error::Kernel(format!("the gateway's connection file has no {name}")))
    });
    let bind_ports = ports.into_iter().collect::<Result<Vec<_>, _>>()?;
    let text = |path: &std::path::Path| path.display().to_string();
    let programs = config.kernel_python.parent().map(text).unwrap_or_default();
    let environment = [
        ("PATH", format!("{programs}:/usr/bin:/bin")),
        ("HOME", text(&home)),
        ("USER", kernel.user.clone()),
        ("LOGNAME", kernel.user.clone()),
        ("LANG", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
        ("TMPDIR", text(&run.join("tmp"))),
        ("JUPYTER_RUNTIME_DIR", text(&run)),
        ("PYTHONPATH", text(&config.python_path)),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        // The object store checks the signature of a whole body, and there is no machine's own role to ask for.
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        // What a forked process prints would go through a port that it may not open: it says so at every start.
        ("PYTHONWARNINGS", "ignore::UserWarning:ipykernel.iostream".into()),
        (MARK, kernel.id.clone()),
    ];
    Ok(Spec {
        python: config.kernel_python.clone(),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        credentials,
        connection,
        limits: ProcessLimits::default(),
        readable: config.readable.clone(),
        connect_ports: config.connect_ports.clone(),
        bind_ports,
        home,
        run,
    })
}

/// A running kernel.
pub(super) struct Process {
    child: Child,
    pid: u32,
    id: String,
    group: Group,
    grouped: bool,
    confined: String,
}

impl Process {
    /// Starts a kernel: into its control group first, then with its user's rights to its own program.
    pub(super) async fn start(
        config: &ResearchConfig,
        spawner: &Spawner,
        hierarchy: &Hierarchy,
        kernel: &Kernel,
        account: Option<Account>,
        mut spec: Spec,
    ) -> Result<Self, Error> {
        let limits = config.rules.sizes.of(kernel.size);
        let missing = |controller| hierarchy.by(controller).is_none();
        spec.limits.memory = missing(Controller::Memory).then_some(limits.memory);
        // This limit counts all of a user's processes, so it fits only an id that is for kernels alone.
        spec.limits.processes = (missing(Controller::Pids) && account.is_some()).then_some(u64::from(limits.processes));
        let failed = |what: &'static str| move |error: io::Error| Error::Kernel(format!("{what}: {error}"));
        let group = hierarchy.create(&kernel.id, limits).map_err(failed("making its control group"))?;
        let mut command = config.commands.enter(account);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = spawner.start(command).await.map_err(failed("starting its first process"));
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                group.destroy().await;
                return Err(error);
            }
        };
        let pid = child.id().unwrap_or_default();
        let (input, output) = (child.stdin.take(), child.stderr.take());
        let grouped = Controller::ALL.iter().any(|controller| hierarchy.by(*controller).is_some());
        let mut process = Self { child, pid, id: kernel.id.clone(), group, grouped, confined: String::new() };
        let entered = async {
            process.group.add(pid).map_err(failed("joining its control group"))?;
            let text = serde_json::to_vec(&spec).map_err(|error| Error::Kernel(error.to_string()))?;
            let mut input = input.ok_or_else(|| Error::Kernel("its first process has no input".into()))?;
            input.write_all(&text).await.map_err(failed("telling its first process what to start"))?;
            drop(input);
            let output = output.ok_or_else(|| Error::Kernel("its first process has no output".into()))?;
            let mut lines = BufReader::new(output).lines();
            let first = tokio::time::timeout(ENTER, lines.next_line()).await;
            let first = first.map_err(|_| Error::Kernel("its first process does not come to an end".into()))?;
            let first = first.map_err(failed("its first process"))?.unwrap_or_default();
            let confined = first.strip_prefix(ENTERED).map(|rest| rest.trim().to_owned());
            let confined = confined.ok_or_else(|| Error::Kernel(format!("its first process: {first}")))?;
            tokio::spawn(pass_on(lines.into_inner(), kernel.id.clone()));
            Ok(confined)
        };
        match entered.await {
            Ok(confined) => {
                process.confined = confined;
                Ok(process)
            }
            Err(error) => {
                process.end().await;
                Err(error)
            }
        }
    }

    /// What confines it beside its user's id: `landlock`, `landlock_partly` or `nothing`.
    pub(super) fn confined(&self) -> &str {
        &self.confined
    }

    /// Waits for the kernel's own process; answers its exit code, a signal as its negative number.
    pub(super) async fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        match self.child.wait().await {
            Ok(status) => status.code().unwrap_or_else(|| -status.signal().unwrap_or(1)),
            Err(error) => {
                tracing::error!(%error, kernel = self.id, "cannot wait for a kernel");
                -1
            }
        }
    }

    /// Sends the kernel and what it started in its process group one of the signals that Jupyter uses.
    pub(super) fn signal(&self, signal: i32) {
        let signal = match signal {
            2 => Signal::INT,
            15 => Signal::TERM,
            9 => Signal::KILL,
            other => {
                tracing::warn!(signal = other, kernel = self.id, "this signal is not passed on");
                return;
            }
        };
        // While `child` is not waited for, its id is nobody else's.
        if let Some(group) = Pid::from_raw(self.pid.cast_signed()).filter(|_| self.child.id().is_some()) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Kills whatever is left and removes the control group; answers whether memory was used up.
    pub(super) async fn end(&mut self) -> bool {
        let out_of_memory = self.group.out_of_memory() > 0;
        self.signal(9);
        let _ = self.child.start_kill();
        if !self.grouped {
            end_marked(&self.id).await;
        }
        // The first process must be waited for, or its group is never empty.
        let (_, gone) = tokio::join!(self.child.wait(), self.group.destroy());
        if !gone {
            tracing::error!(kernel = self.id, "processes of a kernel are left");
        }
        out_of_memory
    }
}

/// Ends processes that carry a kernel's mark, twice: what the first pass missed was started during it.
async fn end_marked(id: &str) {
    let mark = format!("{MARK}={id}");
    for _ in 0..2 {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
                && let Some(pid) = Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a kernel writes to standard error beside Jupyter's channels: its beginning reaches the log, all of it is read.
async fn pass_on(mut output: BufReader<ChildStderr>, kernel: String) {
    let mut chunk = [0; 4096];
    let mut left = MOST_WORDS;
    while let Ok(length @ 1..) = output.read(&mut chunk).await {
        if left > 0 {
            left -= 1;
            let words: String = String::from_utf8_lossy(&chunk[..length]).chars().take(LONGEST_WORD).collect();
            tracing::info!(from = "kernel", kernel, "{}", words.trim_end());
        }
    }
}
