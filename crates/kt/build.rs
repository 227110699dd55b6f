//! Puts the SQL scripts below `sql/`, the sources of the orchestration and the commit into the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    sources(&root, ("ORCHESTRATION", "orchestration"), &mut code)?;
    sources(&root, ("RESEARCH", "research"), &mut code)?;
    println!("cargo:rustc-env=KT_COMMIT={}", commit(&root));
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    Ok(())
}

/// What the program is built from: KT_COMMIT where somebody states it (an image has no checkout), else what
/// git says. Builds with debug assertions are nobody's results: they do not ask git, so that a commit does not
/// compile them again.
fn commit(root: &Path) -> String {
    println!("cargo:rerun-if-env-changed=KT_COMMIT");
    if let Some(stated) = env::var("KT_COMMIT").ok().filter(|stated| !stated.is_empty()) {
        return stated;
    }
    if env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_some() {
        return "unknown".to_owned();
    }
    let git = |arguments: &[&str]| {
        let said = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    // HEAD names a branch or a commit; the branch's own file changes with every commit.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD".to_owned(), "packed-refs".to_owned()].into_iter().chain(branch) {
        if let Some(path) =
            git(&["rev-parse", "--git-path", &name]).map(|path| root.join(path)).filter(|path| path.exists())
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
}

/// The sources in a folder with their paths; what they write when they run is not among them.
fn sources(root: &Path, (name, folder): (&str, &str), code: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    const LEFT_OUT: [&str; 7] =
        ["tests/test_", "__pycache__", "target", "logs", ".work", "requirements.in", "notebooks"];
    let base = root.join(folder);
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
    writeln!(code, "/// Files of `{folder}`: path and bytes.\npub(crate) const {name}: &[(&str, &[u8])] = &[")?;
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
