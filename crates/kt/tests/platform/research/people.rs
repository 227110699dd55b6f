//! People with tokens: a real Jupyter client for each, and plain requests to the proxy.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Platform, run, signal, wait_for};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The Python of an environment, if `make setup` made it.
pub fn interpreter(name: &str) -> Option<PathBuf> {
    let script = root().join("setup/python.py");
    let output = Command::new("python3").arg(script).args(["--interpreter", name]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.with_file_name("../stamp.json").exists().then_some(path)
}

/// `kt research up` beside a platform.
pub struct Research {
    child: Child,
    pub address: String,
    pub metrics: String,
    pub gateway: String,
}

impl Research {
    pub fn up(platform: &Platform, settings: &[&str]) -> Self {
        let mut command = platform.kt(&["research", "up"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let log = fs::File::create(platform.directory.path().join("research.log")).expect("a log");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("kt starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let log = || fs::read_to_string(platform.directory.path().join("research.log")).unwrap_or_default();
        assert!(line.contains("research is ready"), "{line}{}", log());
        let at = |port: u16| format!("http://127.0.0.1:{}", port + platform.offset);
        Self { child, address: at(8890), metrics: at(9206), gateway: at(8891) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops in order; answers the exit code.
    pub fn stop(mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        wait_for("research to end", Duration::from_secs(60), || self.child.try_wait().expect("wait")).code()
    }

    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }
}

impl Drop for Research {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token's text, and the file it lies in.
pub fn token(platform: &Platform, user: &str, size: &str) -> (String, PathBuf) {
    let (code, text, error) = run(&mut platform.kt(&["research", "token", user, "--size", size, "--days", "1"]));
    assert_eq!(code, 0, "{error}");
    let file = platform.directory.path().join(format!("{user}.token"));
    fs::write(&file, &text).expect("written");
    (text.trim().to_owned(), file)
}

/// One request; status and JSON body.
pub fn ask(address: &str, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let address: SocketAddr = address.trim_start_matches("http://").parse().expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: token {token}\r\n") };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answers");
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A person at a kernel, by a real client.
pub struct Person {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub kernel: String,
}

impl Person {
    pub fn new(python: &Path, research: &Research, token: &Path) -> Self {
        let mut child = Command::new(python)
            .arg("-B")
            .arg(root().join("research/tests/client.py"))
            .args(["--url", &research.address, "--token-file"])
            .arg(token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut person = Self { child, input, output: BufReader::new(output), kernel: String::new() };
        assert_eq!(person.answer()["ready"], true);
        person
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn order(&mut self, order: &Value) -> Value {
        writeln!(self.input, "{order}").expect("told");
        self.answer()
    }

    /// Starts a kernel; seconds until it was connected.
    pub fn start(&mut self, kernel: &str) -> f64 {
        let answer = self.order(&json!({"do": "start", "kernel": kernel}));
        self.kernel = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        answer["seconds"].as_f64().expect("a number")
    }

    pub fn connect(&mut self) {
        self.order(&json!({"do": "connect"}));
    }

    /// What a cell did: the whole answer.
    pub fn cell(&mut self, code: &str, timeout_s: u64) -> Value {
        self.order(&json!({"do": "run", "code": code, "timeout": timeout_s}))
    }

    /// The text of a cell that must succeed.
    pub fn text(&mut self, code: &str) -> String {
        let answer = self.cell(code, 60);
        assert_eq!(answer["status"], "ok", "{code}\n{answer:#}");
        answer["text"].as_str().expect("a text").trim().to_owned()
    }

    /// The error's name of what must fail, without failing the cell.
    pub fn error_of(&mut self, statement: &str) -> String {
        let code = format!(
            "try:\n    {statement}\n    print('no error')\nexcept BaseException as error:\n    print(type(error).__name__)"
        );
        self.text(&code)
    }

    pub fn stop(&mut self) {
        let answer = self.order(&json!({"do": "stop"}));
        assert!(answer["failed"].is_null(), "{answer}");
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
