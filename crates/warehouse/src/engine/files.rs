//! The configuration files that the engine reads at start, written by us each time.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{EngineConfig, READER_ROLE, RESEARCH_ROLE};
use crate::error::WarehouseError;

/// Settings of every connection.
///
/// `implicit_select` off, or `selec` would count as a read-only statement. The block sizes make
/// one INSERT one block and so one part per partition: an insert is then atomic. The time zone
/// of a value must not depend on the host.
const PROFILE: &[(&str, &str)] = &[
    ("implicit_select", "0"),
    ("max_insert_block_size", "16000000"),
    ("min_insert_block_size_rows", "16000000"),
    ("min_insert_block_size_bytes", "1073741824"),
    ("max_insert_threads", "1"),
];

/// The role under which the platform's own connections begin.
const OWNER_ROLE: &str = "owner";

/// The databases that people who do research may read. In-process the engine lets every role read `system` as well,
/// whose tables hold names, settings and what runs, but no data and no key.
const RESEARCH_DATABASES: &[&str] = &["landing", "marts", "ref", "ops"];

/// Writes `config.xml` and `users.xml` into the data directory and returns the arguments with
/// which connections are opened.
pub(super) fn write(config: &EngineConfig) -> Result<Vec<CString>, WarehouseError> {
    let data = &config.data_directory;
    let engine = data.join("engine");
    let wrong = |reason: String| WarehouseError::DataDirectory { path: data.clone(), reason };
    fs::create_dir_all(&engine).map_err(|error| wrong(format!("cannot create engine/: {error}")))?;
    let users = data.join("users.xml");
    let server = data.join("config.xml");
    for (path, content) in [(&users, users_xml()), (&server, config_xml(config, &engine, &users))] {
        write_private(path, &content).map_err(|error| wrong(format!("cannot write {}: {error}", path.display())))?;
    }
    ["clickhouse".to_owned(), format!("--path={}", engine.display()), format!("--config-file={}", server.display())]
        .into_iter()
        .map(|argument| CString::new(argument).map_err(|_| wrong("its name holds a NUL".to_owned())))
        .collect()
}

/// Writes a file for its owner alone: the configuration holds the object store's key.
fn write_private(path: &Path, content: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content.as_bytes())
}

/// The server configuration.
fn config_xml(config: &EngineConfig, engine: &Path, users: &Path) -> String {
    let mut xml = String::from("<clickhouse>\n");
    let cores = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let entries = [
        ("path", format!("{}/", engine.display())),
        ("tmp_path", format!("{}/tmp/", engine.display())),
        ("users_config", users.display().to_string()),
        ("max_server_memory_usage", config.max_memory_bytes.to_string()),
        ("mark_cache_size", (config.max_memory_bytes / 16).to_string()),
        // As many merges at once as there are cores: beyond that they only take cores from inserts. Not compared
        // in one run with the engine's own 16.
        ("background_pool_size", cores.to_string()),
        ("background_merges_mutations_concurrency_ratio", "1".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("display_name", "kubetrader".to_owned()),
    ];
    for (name, value) in entries {
        let _ = writeln!(xml, "  <{name}>{}</{name}>", escape(&value));
    }
    if let Some(cold) = &config.cold {
        xml.push_str(&crate::tiers::storage_xml(cold, engine));
    }
    // Left alone, the engine merges two or three small parts at a time: at 1,400 rows/s every row was rewritten
    // 16 times. Reading a few parts more costs less.
    // The numbers of free places belong to a pool of 16: in a small one they would forbid every large merge.
    xml.push_str("  <merge_tree><min_parts_to_merge_at_once>8</min_parts_to_merge_at_once>");
    for place in ["lower_max_size_of_merge", "execute_mutation", "execute_optimize_entire_partition"] {
        let name = format!("number_of_free_entries_in_pool_to_{place}");
        let _ = write!(xml, "<{name}>1</{name}>");
    }
    // A part below this is one file, not two for each column: an insert synchronises each of its files.
    xml.push_str("<min_bytes_for_wide_part>33554432</min_bytes_for_wide_part></merge_tree>\n");
    xml.push_str("  <logger><level>none</level></logger>\n</clickhouse>\n");
    xml
}

/// Users of the engine itself. The HTTP server authenticates; inside, every connection is
/// `default`, and a read-only user's connection gives up its rights with `SET ROLE`. The user itself has none: what
/// is granted to a user stays whatever role it takes.
fn users_xml() -> String {
    let mut profile = String::new();
    for (name, value) in PROFILE {
        let _ = write!(profile, "<{name}>{value}</{name}>");
    }
    let mut research = String::new();
    for database in RESEARCH_DATABASES {
        let _ = write!(research, "<query>GRANT SELECT, SHOW ON {database}.*</query>");
    }
    format!(
        "<clickhouse>
  <profiles><default>{profile}</default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password></password>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants><query>GRANT {OWNER_ROLE}, {READER_ROLE}, {RESEARCH_ROLE}</query></grants>
  </default></users>
  <roles><{OWNER_ROLE}><grants>
    <query>GRANT ALL ON *.* WITH GRANT OPTION</query>
  </grants></{OWNER_ROLE}>
  <{READER_ROLE}><grants>
    <query>GRANT SELECT ON *.*</query>
    <query>GRANT SHOW ON *.*</query>
    <query>REVOKE SELECT ON default.*</query>
  </grants></{READER_ROLE}>
  <{RESEARCH_ROLE}><grants>{research}</grants></{RESEARCH_ROLE}></roles>
</clickhouse>
"
    )
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
