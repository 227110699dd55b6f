//! Who may do what: each key has its buckets, and nobody touches buckets themselves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use s3s::access::{S3Access, S3AccessContext};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::config::{FreeBytes, S3Config};
use crate::guests::{Guest, Guests};
use crate::metrics::{Cause, Metrics};

/// Operations on objects and their parts. Whatever is not named here is refused: policies, bucket creation
/// and deletion, access lists.
const READS: &[&str] = &[
    "GetObject",
    "HeadObject",
    "HeadBucket",
    "ListObjects",
    "ListObjectsV2",
    "GetBucketLocation",
    "ListParts",
    "ListMultipartUploads",
];
const REMOVES: &[&str] = &["DeleteObject", "DeleteObjects", "AbortMultipartUpload"];
const WRITES: &[&str] =
    &["PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"];

/// The rules of one server.
pub(crate) struct Rules {
    buckets: BTreeMap<String, Vec<String>>,
    guests: Option<Guests>,
    directory: PathBuf,
    keep_free: u64,
    free_bytes: FreeBytes,
    metrics: Metrics,
}

impl Rules {
    pub(crate) fn new(config: &S3Config, metrics: Metrics) -> Self {
        let buckets = config.users.iter().map(|user| (user.access_key.clone(), user.buckets.clone())).collect();
        Self {
            buckets,
            guests: config.guests.clone().map(Guests::new),
            directory: config.directory.clone(),
            keep_free: config.keep_free,
            free_bytes: config.free_bytes,
            metrics,
        }
    }

    fn refuse(&self, cause: Cause, code: S3ErrorCode, message: String) -> S3Error {
        self.metrics.refused(cause);
        tracing::warn!(cause = cause.name(), "refused: {message}");
        S3Error::with_message(code, message)
    }

    fn check_guest(
        &self,
        context: &S3AccessContext<'_>,
        user: &str,
        guest: &Guest,
        source: Option<(String, String)>,
    ) -> S3Result<()> {
        let operation = context.s3_op().name();
        let (mut buckets, mut keys) = (Vec::from_iter(bucket(context.s3_path())), Vec::new());
        if let S3Path::Object { key, .. } = context.s3_path() {
            keys.push(&**key);
        }
        // An encoded name could mean another one to whoever decodes it.
        let encoded = source.as_ref().is_some_and(|(_, key)| key.contains('%'));
        if let Some((bucket, key)) = &source {
            buckets.push(bucket);
            keys.push(key);
        }
        if encoded || !guest.may(operation, &buckets, &keys, context.uri().query()) {
            let message = format!("{user} may not do {operation} on {} outside of {}", guest.bucket, guest.prefix);
            return Err(self.refuse(Cause::Forbidden, S3ErrorCode::AccessDenied, message));
        }
        if WRITES.contains(&operation) { self.room() } else { Ok(()) }
    }

    fn room(&self) -> S3Result<()> {
        let free = (self.free_bytes)(&self.directory).map_err(|error| {
            S3Error::with_message(S3ErrorCode::InternalError, format!("looking at the disk: {error}"))
        })?;
        if free >= self.keep_free {
            return Ok(());
        }
        let message = format!("the disk has {free} bytes left and {} are kept free", self.keep_free);
        // S3 has no code of its own for a full store; clients do not retry this one.
        Err(self.refuse(Cause::Full, S3ErrorCode::Custom("StorageFull".into()), message))
    }
}

/// The buckets that a request touches: the addressed one, and the source of a copy.
fn bucket(path: &S3Path) -> Option<&str> {
    match path {
        S3Path::Root => None,
        S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => Some(bucket),
    }
}

/// The bucket and the key that a copy reads from, as the header names them: `/bucket/key` or `bucket/key`.
fn source(context: &S3AccessContext<'_>) -> Option<(String, String)> {
    let source = context.headers().get("x-amz-copy-source")?.to_str().ok()?;
    let (bucket, key) = source.trim_start_matches('/').split_once('/').unwrap_or((source, ""));
    Some((bucket.to_owned(), key.to_owned()))
}

#[async_trait::async_trait]
impl S3Access for Rules {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = context.s3_op().name();
        let Some(user) = context.credentials().map(|credentials| credentials.access_key.clone()) else {
            let message = format!("{operation} without a signature");
            return Err(self.refuse(Cause::Anonymous, S3ErrorCode::AccessDenied, message));
        };
        let writes = WRITES.contains(&operation);
        let known = writes || READS.contains(&operation) || REMOVES.contains(&operation);
        let source = source(context);
        if let Some(guest) = self.guests.as_ref().and_then(|guests| guests.find(&user)) {
            return self.check_guest(context, &user, &guest, source);
        }
        let touched = [bucket(context.s3_path()).map(str::to_owned), source.map(|(bucket, _)| bucket)];
        let own = self.buckets.get(&user).map_or(&[][..], Vec::as_slice);
        let allowed = known && touched[0].is_some() && touched.iter().flatten().all(|name| own.contains(name));
        if !allowed {
            let bucket = touched.iter().flatten().find(|name| !own.contains(name)).or(touched[0].as_ref());
            let bucket = bucket.map_or("the list of buckets", String::as_str);
            let message = format!("{user} may not do {operation} on {bucket}");
            return Err(self.refuse(Cause::Forbidden, S3ErrorCode::AccessDenied, message));
        }
        if writes { self.room() } else { Ok(()) }
    }
}
