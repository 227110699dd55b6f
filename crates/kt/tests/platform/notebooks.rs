//! The package `kubetrader` and the notebooks on a running platform. Part of the test of research, whose platform
//! and kernels they use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kt_warehouse::accounts::{Account, Accounts, Quota, Size};
use serde_json::{Value, json};

use crate::support::{Platform, run as finish, wait_for};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The Python of an environment that `make setup` made.
fn python(environment: &str) -> PathBuf {
    let mut command = Command::new("python3");
    let (code, out, err) = finish(command.arg(root().join("setup/python.py")).args(["--interpreter", environment]));
    assert_eq!(code, 0, "{err}");
    PathBuf::from(out.trim())
}

/// Waits until the market is old enough to be looked at, then reads it with the package and runs every notebook
/// through the proxy.
pub fn run(platform: &Platform, proxy: &str, token_file: &Path) {
    wait_for("a minute of basis", Duration::from_secs(150), || {
        let sql = "SELECT dateDiff('second', min(ts), max(ts)) FROM marts.basis_1s WHERE basis_bps IS NOT NULL";
        let (_, out, _) = finish(&mut platform.kt(&["query", sql, "--format", "TSV"]));
        out.trim().parse::<i64>().ok().filter(|seconds| *seconds >= 75)
    });
    package(platform);
    notebooks(platform, proxy, token_file);
}

/// Two accounts, and the package's own assertions.
fn package(platform: &Platform) {
    let accounts = Accounts::new(platform.data().join("warehouse/accounts"));
    let large = Quota::of(Size::Large);
    let address = format!("http://127.0.0.1:{}", 8124 + platform.offset);
    let connection = |name: &str, quota: Quota| {
        accounts.put(&Account::new(name, "secret", quota).expect("a name")).expect("written");
        let file = platform.directory.path().join(format!("{name}.json"));
        let content = json!({"warehouse": {"url": address, "user": name, "password": "secret"}});
        fs::write(&file, content.to_string()).expect("written");
        file
    };
    let wide = connection("research_wide", large);
    let narrow = connection("research_narrow", Quota { result_rows: 50, ..large });
    let mut command = Command::new(python("research-kernel"));
    command.arg("-B").arg(root().join("research/tests/against_platform.py")).args([wide, narrow]);
    let (code, out, err) = finish(command.env("PYTHONPATH", root().join("research")));
    assert_eq!(code, 0, "{out}{err}");
    for name in ["research_wide", "research_narrow"] {
        assert!(accounts.remove(name).expect("removed"));
    }
}

fn notebooks(platform: &Platform, proxy: &str, token_file: &Path) {
    let executed = platform.directory.path().join("executed");
    fs::create_dir_all(&executed).expect("a folder");
    let mut command = Command::new(python("research-gateway"));
    command.arg("-B").arg(root().join("research/tests/notebooks.py"));
    command.args(["--url", proxy, "--token-file"]).arg(token_file).arg("--out").arg(&executed);
    let (code, out, err) = finish(&mut command);
    assert_eq!(code, 0, "{out}{err}");
    let results: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON for each notebook")).collect();
    let text = |name: &str| {
        let found = results.iter().find(|result| result["notebook"] == name).unwrap_or_else(|| panic!("{name}: {out}"));
        println!("  {name}: {} s", found["seconds"]);
        assert!(found["images"].as_u64() >= Some(1), "{name} drew nothing: {found}");
        found["text"].as_str().expect("text").to_owned()
    };
    assert!(text("explore-basis.ipynb").contains("basis: mean"));
    assert!(text("funding-carry.ipynb").contains("one settlement pays"));
    let ran = text("notebook-to-backtest.ipynb");
    assert!(ran.contains("executions") && ran.contains("backtest.html"), "{ran}");
}
