//! Migrations against the real databases.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Platform, run};

/// The repository's own scripts, copied so that a test can change them.
pub fn copy_of_scripts(to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql");
    for folder in ["clickhouse", "postgres"] {
        fs::create_dir_all(to.join(folder)).expect("directory");
        for script in fs::read_dir(from.join(folder)).expect("scripts").flatten() {
            fs::copy(script.path(), to.join(folder).join(script.file_name())).expect("copy");
        }
    }
    to.to_owned()
}

#[test]
fn edited_failing_and_repaired_scripts_on_real_databases() {
    let mut platform = Platform::new(&["console.enabled=false"]);
    platform.up();
    let scripts = copy_of_scripts(&platform.directory.path().join("sql"));
    let migrate = |arguments: &[&str]| {
        let mut words = vec!["migrate"];
        words.extend(arguments);
        words.extend(["--scripts", scripts.to_str().expect("UTF-8")]);
        run(&mut platform.kt(&words))
    };
    let (code, out, err) = migrate(&["apply"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("postgres: 0 applied") && out.contains("clickhouse: 0 applied"), "{out}");

    for folder in ["postgres", "clickhouse"] {
        let first = first_script(&scripts.join(folder));
        let original = fs::read_to_string(&first).expect("read");
        fs::write(&first, format!("{original}\n-- edited\n")).expect("write");
        let (code, _, err) = migrate(&["validate", "--target", folder]);
        let name = first.file_name().expect("a name").to_str().expect("UTF-8");
        assert!(code == 1 && err.contains(&format!("{name} was edited after it was applied")), "{err}");
        fs::remove_file(&first).expect("remove");
        let (code, _, err) = migrate(&["apply", "--target", folder]);
        assert!(code == 1 && err.contains(&format!("{name} was applied but its file is missing")), "{err}");
        fs::write(&first, original).expect("write");
        let late = scripts.join(folder).join("V0_5__late.sql");
        fs::write(&late, "SELECT 1;\n").expect("write");
        let (code, _, err) = migrate(&["apply", "--target", folder]);
        assert!(code == 1 && err.contains("V0_5__late.sql is not applied but"), "{err}");
        assert!(err.contains("--out-of-order"), "{err}");
        fs::remove_file(&late).expect("remove");
        assert_eq!(migrate(&["validate", "--target", folder]).0, 0);
    }
    postgres_keeps_nothing_of_a_failed_script(&platform, &scripts, &migrate);
    clickhouse_remembers_a_failed_script(&platform, &scripts, &migrate);
    assert_eq!(platform.terminate(), 0);
}

type Migrate<'a> = dyn Fn(&[&str]) -> (i32, String, String) + 'a;

fn postgres_keeps_nothing_of_a_failed_script(platform: &Platform, scripts: &Path, migrate: &Migrate<'_>) {
    let script = scripts.join("postgres/V900__two.sql");
    fs::write(&script, "CREATE TABLE half (i int);\nSELECT no_such_column;\n").expect("write");
    let (code, _, err) = migrate(&["apply", "--target", "postgres"]);
    assert!(code == 1 && err.contains("V900__two.sql failed") && err.contains("no_such_column"), "{err}");
    assert!(err.contains("nothing of it was kept"), "{err}");
    fs::write(&script, "CREATE TABLE half (i int);\n").expect("write");
    let (code, out, err) = migrate(&["apply", "--target", "postgres"]);
    assert!(code == 0 && out.contains("1 applied"), "{out}{err}");
    let _ = platform;
}

fn clickhouse_remembers_a_failed_script(platform: &Platform, scripts: &Path, migrate: &Migrate<'_>) {
    let script = scripts.join("clickhouse/V900__two.sql");
    let first = "CREATE TABLE IF NOT EXISTS marts.half (i Int32) ENGINE = MergeTree ORDER BY i;\n";
    fs::write(&script, format!("{first}SELECT no_such_column;\n")).expect("write");
    let (code, _, err) = migrate(&["apply", "--target", "clickhouse"]);
    assert!(code == 1 && err.contains("statement 2 of 2") && err.contains("kt migrate repair"), "{err}");
    fs::write(&script, first).expect("write");
    let (code, _, err) = migrate(&["apply", "--target", "clickhouse"]);
    assert!(code == 1 && err.contains("failed at an earlier run"), "{err}");
    let (code, out, err) = migrate(&["repair", "--target", "clickhouse"]);
    assert!(code == 0 && out.contains("1 failed runs forgotten"), "{out}{err}");
    let (code, out, err) = migrate(&["apply", "--target", "clickhouse"]);
    assert!(code == 0 && out.contains("1 applied"), "{out}{err}");
    let (_, out, _) = migrate(&["info", "--json", "--target", "clickhouse"]);
    let info: Value = serde_json::from_str(&out).expect("JSON");
    let states = info["migrations"].as_array().expect("migrations").iter().map(|entry| entry["state"].clone());
    assert!(states.into_iter().all(|state| state == "applied"), "{out}");
    let (code, out, _) = run(&mut platform.kt(&["query", "SELECT 2.50::Decimal(9, 2) AS price, 'a' AS name"]));
    assert_eq!((code, out.as_str()), (0, " price  name \n   2.5  a    \n"));
}

fn first_script(directory: &Path) -> PathBuf {
    let entries = fs::read_dir(directory).expect("scripts").flatten().map(|entry| entry.path());
    let mut versioned: Vec<_> =
        entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('V'))).collect();
    // By number, not by letters: V13 comes after V2. A script that is missing at the end is a future one to Flyway.
    let version = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        name[1..].split('_').next().expect("a version").parse::<u32>().expect("a number")
    };
    versioned.sort_by_key(version);
    versioned.remove(0)
}
