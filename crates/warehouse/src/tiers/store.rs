//! The engine's storage configuration: a local volume and, where there is an object store, a cold one.

use std::fmt::Write as _;
use std::path::Path;

use super::{POLICY, Tier};

/// The object store as the engine reaches it.
#[derive(Clone)]
pub struct ColdStore {
    /// Address with bucket and prefix, ending in a slash: `http://127.0.0.1:9000/cold/warehouse/`.
    pub endpoint: String,
    /// Its TCP port, which the sandbox lets the engine connect to.
    pub port: u16,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// How long one request may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// How often a request is sent again before the statement fails.
    pub attempts: u32,
}

impl std::fmt::Debug for ColdStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ColdStore").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The `<storage_configuration>` of the engine.
///
/// The policy takes the place of the engine's `default`, so that tables made before there were tiers, and
/// those made without naming a policy, have the cold volume too. Parts in the cold volume are not merged,
/// which would fetch them and write them again; a late insert lands on the local disk and is moved later.
/// The store is not probed at start: while it is away, what lies on the local disk can still be used.
pub(crate) fn storage_xml(cold: &ColdStore, engine: &Path) -> String {
    let disk = Tier::Cold.disk();
    let mut xml = String::from("  <storage_configuration>\n    <disks>\n");
    let _ = writeln!(xml, "      <{disk}>");
    let entries = [
        ("type", "s3".to_owned()),
        ("endpoint", cold.endpoint.clone()),
        ("access_key_id", cold.access_key.clone()),
        ("secret_access_key", cold.secret_key.clone()),
        ("region", "us-east-1".to_owned()),
        ("metadata_path", format!("{}/disks/{disk}/", engine.display())),
        ("skip_access_check", "true".to_owned()),
        ("request_timeout_ms", cold.request_timeout_ms.to_string()),
        ("connect_timeout_ms", "2000".to_owned()),
        ("retry_attempts", cold.attempts.to_string()),
    ];
    for (name, value) in entries {
        let _ = writeln!(xml, "        <{name}>{}</{name}>", crate::engine::escape(&value));
    }
    let (hot, cold) = (Tier::Hot, Tier::Cold);
    let _ = write!(
        xml,
        "      </{disk}>\n    </disks>\n    <policies><{POLICY}><volumes>\n\
         \x20     <{0}><disk>{1}</disk></{0}>\n\
         \x20     <{2}><disk>{3}</disk><prefer_not_to_merge>true</prefer_not_to_merge>\
         <perform_ttl_move_on_insert>false</perform_ttl_move_on_insert></{2}>\n\
         \x20   </volumes><move_factor>0</move_factor></{POLICY}></policies>\n  </storage_configuration>\n",
        hot.volume(),
        hot.disk(),
        cold.volume(),
        cold.disk(),
    );
    xml
}
