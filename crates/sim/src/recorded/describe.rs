//! What a recording holds, for `GET /sim/v1/sources`: enough for a feed to open the right
//! connections and subscribe to the right things.

use serde_json::{Value, json};

use super::recording::Recording;
use crate::query::Target;

impl Recording {
    /// The recording's part of `GET /sim/v1/sources`.
    pub fn describe(&self) -> Value {
        let query = |target: &Target| {
            let pairs: Vec<String> = target.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            pairs.join("&")
        };
        let connections: Vec<Value> = self
            .connections
            .iter()
            .map(|connection| {
                json!({
                    "id": connection.id,
                    "path": connection.target.as_ref().map(|target| &target.path),
                    "query": connection.target.as_ref().map(query),
                    "sent": connection.sent,
                    "frames": connection.frames,
                    "first_time": connection.first_time,
                    "last_time": connection.last_time,
                })
            })
            .collect();
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|file| {
                json!({
                    "label": file.label,
                    "frames": file.frames,
                    "bytes": file.wire.len(),
                    "first_time": file.first_time,
                    "last_time": file.last_time,
                })
            })
            .collect();
        let snapshots: Vec<Value> = self
            .snapshots
            .iter()
            .map(|snapshot| {
                json!({
                    "path": snapshot.target.as_ref().map(|target| &target.path),
                    "symbol": snapshot.symbol,
                    "position": snapshot.position,
                })
            })
            .collect();
        let references: Vec<Value> = self
            .references
            .iter()
            .map(|known| json!({"label": known.label, "path": known.target.path, "query": query(&known.target)}))
            .collect();
        json!({
            "mode": "recorded",
            "files": files,
            "connections": connections,
            "channels": self.channels,
            "symbols": self.symbols.keys().collect::<Vec<_>>(),
            "frames": self.frames.len(),
            "first_time": self.files.first().and_then(|file| file.first_time),
            "last_time": self.files.last().and_then(|file| file.last_time),
            "snapshots": snapshots,
            "references": references,
        })
    }
}
