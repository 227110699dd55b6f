//! `deploy-check`: says file and line of everything in `deploy/` that must not reach a cluster.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kt_deploy_check::schema::Schemas;
use kt_deploy_check::tools::{Tools, default_folder};
use kt_deploy_check::{Error, check, generate};

const HELP: &str = "Checks what deploy/ would bring to a cluster.

Usage: deploy-check [FOLDER]            check the folder [default: deploy]
       deploy-check schemas MODULES     write the schemas anew from a Go module cache

Example: deploy-check deploy

Exit codes: 0 nothing is refused; 1 something is, named by file and line; 2 the command line is wrong.
Tools are looked for in KT_TOOLS, else where setup/delivery.py puts them.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["--help" | "-h"] => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        ["schemas", modules] => write_schemas(Path::new(modules)),
        [] => run(Path::new("deploy")),
        [folder] if !folder.starts_with('-') => run(Path::new(folder)),
        _ => {
            say(HELP);
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        ExitCode::from(1)
    })
}

fn run(folder: &Path) -> Result<ExitCode, Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    let tools = default_folder(variable("KT_TOOLS").as_deref(), is_root, variable("HOME").as_deref());
    let schemas = Schemas::read(&schema_folder())?;
    let report = check(folder, &schemas, &Tools::in_folder(&tools))?;
    for finding in &report.findings {
        say(&format!("{finding}\n"));
    }
    for skipped in &report.skipped {
        say(&format!("SKIP: {skipped}\n"));
    }
    let count = report.findings.len();
    say(&format!("{} objects, {} overlays, {count} refused\n", report.objects, report.overlays));
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn write_schemas(modules: &Path) -> Result<ExitCode, Error> {
    for (name, text) in generate::schemas(modules)? {
        let path = schema_folder().join(name);
        std::fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
        say(&format!("{}\n", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn schema_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn say(text: &str) {
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}
