//! The real Flyway takes over what `kt migrate` did on PostgreSQL, and the other way round.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::migrations::copy_of_scripts;
use crate::support::{Platform, run};

/// Flyway on a database, through its Maven plugin.
struct Flyway {
    project: PathBuf,
    settings: PathBuf,
}

impl Flyway {
    /// `None`, with a loud line, where Maven is not installed or cannot fetch Flyway.
    fn on(platform: &Platform, scripts: &Path) -> Option<Self> {
        let port = 5433 + u32::from(platform.offset);
        let password = fs::read_to_string(platform.data().join("secrets/postgres-password")).expect("a password");
        let settings = platform.directory.path().join("flyway.conf");
        let text = format!(
            "flyway.url=jdbc:postgresql://127.0.0.1:{port}/kubetrader\nflyway.user=kubetrader\nflyway.password={}\n\
             flyway.locations=filesystem:{}\nflyway.cleanDisabled=false\n",
            password.trim(),
            scripts.join("postgres").display(),
        );
        fs::write(&settings, text).expect("write");
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flyway/pom.xml");
        let flyway = Self { project, settings };
        match flyway.run("info") {
            Ok(_) => Some(flyway),
            Err(error)
                if ["not found", "Could not", "Unknown host", "cannot be resolved"]
                    .iter()
                    .any(|word| error.contains(word)) =>
            {
                let line = error.lines().next().unwrap_or_default();
                println!("SKIP: the real Flyway cannot be had here: {line}");
                None
            }
            Err(error) => panic!("flyway info: {error}"),
        }
    }

    /// Runs a goal; its output, or what it says went wrong.
    fn run(&self, goal: &str) -> Result<String, String> {
        let output = Command::new("mvn")
            .args(["-B", "-ntp", &format!("flyway:{goal}")])
            .arg("-f")
            .arg(&self.project)
            .arg(format!("-Dflyway.configFiles={}", self.settings.display()))
            .output()
            .map_err(|error| format!("mvn not found: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }
}

#[test]
fn flyway_and_kt_continue_each_others_work() {
    let mut platform = Platform::new(&["console.enabled=false", "trade.enabled=false"]);
    platform.up();
    let scripts = copy_of_scripts(&platform.directory.path().join("sql"));
    let Some(flyway) = Flyway::on(&platform, &scripts) else {
        platform.terminate();
        return;
    };
    let kt = |action: &str| {
        let scripts = scripts.to_str().expect("UTF-8");
        run(&mut platform.kt(&["migrate", action, "--target", "postgres", "--scripts", scripts]))
    };
    let script = |name: &str, sql: &str| fs::write(scripts.join("postgres").join(name), sql).expect("write");

    // What kt did, Flyway validates and continues.
    script("R__seen.sql", "CREATE OR REPLACE VIEW seen AS SELECT 1 AS one;\n");
    assert_eq!(kt("apply").0, 0);
    flyway.run("validate").expect("Flyway accepts what kt wrote");
    script("V901__by_flyway.sql", "CREATE TABLE by_flyway (i int);\r\n-- with \u{e4} and a carriage return\r\n");
    flyway.run("migrate").expect("Flyway continues");
    let (code, out, err) = kt("apply");
    assert!(code == 0 && out.contains("postgres: 0 applied"), "{out}{err}");
    // And kt continues after Flyway.
    script("V901_5__by_kt.sql", "CREATE TABLE by_kt (i int);\n");
    script("R__seen.sql", "CREATE OR REPLACE VIEW seen AS SELECT 1 AS one, 2 AS two;\n");
    let (code, out, err) = kt("apply");
    assert!(code == 0 && out.contains("postgres: 2 applied"), "{out}{err}");
    flyway.run("validate").expect("Flyway accepts what kt added");

    // Both notice the same mistakes.
    script("V901__by_flyway.sql", "CREATE TABLE by_flyway (i bigint);\n");
    assert!(flyway.run("validate").expect_err("edited").contains("checksum mismatch"));
    assert!(kt("validate").2.contains("V901__by_flyway.sql was edited after it was applied"));
    fs::remove_file(scripts.join("postgres/V901__by_flyway.sql")).expect("remove");
    assert!(flyway.run("validate").is_err());
    assert!(kt("validate").2.contains("V901__by_flyway.sql was applied but its file is missing"));

    // The other way round: Flyway begins, kt takes over.
    flyway.run("clean").expect("Flyway empties the schema");
    flyway.run("migrate").expect("Flyway begins");
    assert_eq!(kt("validate").0, 0);
    script("V902__after_flyway.sql", "CREATE TABLE after_flyway (i int);\n");
    let (code, out, err) = kt("apply");
    assert!(code == 0 && out.contains("postgres: 1 applied"), "{out}{err}");
    flyway.run("validate").expect("Flyway accepts what kt added to its own work");
    let scripts = scripts.to_str().expect("UTF-8");
    let (_, out, _) =
        run(&mut platform.kt(&["migrate", "info", "--json", "--target", "postgres", "--scripts", scripts]));
    let info: Value = serde_json::from_str(&out).expect("JSON");
    let states = info["migrations"].as_array().expect("migrations").iter().map(|entry| entry["state"].clone());
    assert!(states.into_iter().all(|state| state == "applied"), "{out}");
    assert_eq!(platform.terminate(), 0);
}
