//! Puts the SQL scripts below `sql/` and the sources of the orchestration into the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Constant, folder below the repository's root, files' extension.
const EMBEDDED: [(&str, &str, &str); 2] =
    [("CLICKHOUSE", "sql/clickhouse", "sql"), ("POSTGRES", "sql/postgres", "sql")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let mut code = String::new();
    for (name, folder, extension) in EMBEDDED {
        let directory = root.join(folder);
        println!("cargo:rerun-if-changed={}", directory.display());
        writeln!(code, "/// Files of `{folder}`: name and bytes.\npub(crate) const {name}: &[(&str, &[u8])] = &[")?;
        for path in files(&directory, extension)? {
            let file = path.file_name().ok_or("a file without a name")?.to_string_lossy().into_owned();
            writeln!(code, "    ({file:?}, include_bytes!({:?})),", path.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    orchestration(&root, &mut code)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    Ok(())
}

/// The sources of the orchestration with their paths; what they write when they run is not among them.
fn orchestration(root: &Path, code: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    const LEFT_OUT: [&str; 6] = ["tests/test_", "__pycache__", "target", "logs", ".work", "requirements.in"];
    let base = root.join("orchestration");
    let mut found = Vec::new();
    let mut folders = vec![base.clone()];
    while let Some(folder) = folders.pop() {
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(&base)?.display().to_string();
            if LEFT_OUT.iter().any(|part| name.contains(part)) || name.contains("/.") || name.starts_with('.') {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push((name, path)) }
        }
    }
    found.sort();
    writeln!(
        code,
        "/// Files of `orchestration`: path and bytes.\npub(crate) const ORCHESTRATION: &[(&str, &[u8])] = &["
    )?;
    for (name, path) in found {
        writeln!(code, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())?;
    }
    writeln!(code, "];")?;
    Ok(())
}

fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, std::io::Error> {
    let entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|own| own == extension));
    files.sort();
    Ok(files)
}
