//! Puts the SQL scripts below `sql/` into the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../sql").canonicalize()?;
    println!("cargo:rerun-if-changed={}", root.display());
    let mut code = String::new();
    for (name, folder) in [("CLICKHOUSE", "clickhouse"), ("POSTGRES", "postgres")] {
        let directory = root.join(folder);
        println!("cargo:rerun-if-changed={}", directory.display());
        writeln!(
            code,
            "/// Scripts of `sql/{folder}`: name and bytes.\npub(crate) const {name}: &[(&str, &[u8])] = &["
        )?;
        for script in scripts(&directory)? {
            let file = script.file_name().ok_or("a script without a name")?.to_string_lossy().into_owned();
            writeln!(code, "    ({file:?}, include_bytes!({:?})),", script.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("scripts.rs"), code)?;
    Ok(())
}

fn scripts(directory: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    Ok(files)
}
