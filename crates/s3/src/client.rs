//! What the platform itself asks of a store: is it there, what does it hold, remove this.

use std::time::Duration;

use reqwest::{Response, Url};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use crate::error::S3Error;

/// Region of a store that has none.
const REGION: &str = "us-east-1";
/// How long a signed request is valid.
const VALID: Duration = Duration::from_secs(300);

/// An object of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, as the store says it (RFC 3339).
    pub last_modified: String,
}

/// One bucket of a store, ours or another, seen with one key.
pub struct S3Client {
    http: reqwest::Client,
    bucket: Bucket,
    credentials: Credentials,
    url: String,
    patience: Duration,
}

impl S3Client {
    /// A client for `bucket` at `url`, for instance `http://127.0.0.1:9000`. `patience` bounds each request.
    ///
    /// # Errors
    /// [`S3Error::Address`] for an address or bucket that is none.
    pub fn new(
        url: &str,
        bucket: &str,
        access_key: &str,
        secret_key: &str,
        patience: Duration,
    ) -> Result<Self, S3Error> {
        let wrong = |reason: String| S3Error::Address { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| wrong(format!("not an address: {error}")))?;
        let bucket = Bucket::new(parsed, UrlStyle::Path, bucket.to_owned(), REGION)
            .map_err(|error| wrong(format!("bucket {bucket}: {error}")))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(patience)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let credentials = Credentials::new(access_key, secret_key);
        Ok(Self { http, bucket, credentials, url: url.to_owned(), patience })
    }

    /// Writes, reads and removes a small object: what any user of the bucket needs.
    ///
    /// # Errors
    /// One for each cause: no answer, too slow, refused, full.
    pub async fn probe(&self, key: &str) -> Result<(), S3Error> {
        let put = self.bucket.put_object(Some(&self.credentials), key).sign(VALID);
        self.send(self.http.put(put).body("probe")).await?;
        let get = self.bucket.get_object(Some(&self.credentials), key).sign(VALID);
        self.send(self.http.get(get)).await?;
        self.delete(key).await
    }

    /// Every object whose key begins with `prefix`.
    ///
    /// # Errors
    /// As [`S3Client::probe`], or a list that cannot be read.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Object>, S3Error> {
        let mut objects = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix.to_owned());
            if let Some(token) = &next {
                action.with_continuation_token(token.clone());
            }
            let response = self.send(self.http.get(action.sign(VALID))).await?;
            let text = response.text().await.map_err(|error| self.transport(&error))?;
            let page = ListObjectsV2::parse_response(&text).map_err(|error| self.unreadable(&error.to_string()))?;
            let read = page.contents.len();
            objects.extend(page.contents.into_iter().map(|entry| Object {
                key: entry.key,
                bytes: entry.size.unwrap_or(0),
                // Without a time it counts as just written, so that nobody takes it for forgotten.
                last_modified: entry.last_modified.unwrap_or_else(|| "9999".to_owned()),
            }));
            match page.next_continuation_token.filter(|token| Some(token) != next.as_ref() && read > 0) {
                Some(token) => next = Some(token),
                None => return Ok(objects),
            }
        }
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// As [`S3Client::probe`].
    pub async fn delete(&self, key: &str) -> Result<(), S3Error> {
        let url = self.bucket.delete_object(Some(&self.credentials), key).sign(VALID);
        self.send(self.http.delete(url)).await.map(drop)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, S3Error> {
        let response = request.send().await.map_err(|error| self.transport(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let code = tag(&text, "Code").unwrap_or("no code");
        let message = tag(&text, "Message").unwrap_or("no message");
        let (url, reason) = (self.url.clone(), format!("{code}: {message}"));
        Err(match (code, status.as_u16()) {
            ("StorageFull", _) | (_, 507) => S3Error::Full { url, reason: message.to_owned() },
            (_, 401 | 403) => S3Error::Denied {
                url,
                key: self.credentials.key().to_owned(),
                bucket: self.bucket.name().to_owned(),
                reason,
            },
            (_, status) => S3Error::Answer { url, status, reason },
        })
    }

    fn transport(&self, error: &reqwest::Error) -> S3Error {
        if error.is_timeout() {
            return S3Error::Slow { url: self.url.clone(), seconds: self.patience.as_secs() };
        }
        // The addresses in reqwest's own text carry the signature: only the causes are told.
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        S3Error::Unreachable { url: self.url.clone(), reason: cause.to_string() }
    }

    fn unreadable(&self, reason: &str) -> S3Error {
        S3Error::Answer { url: self.url.clone(), status: 200, reason: format!("a list that cannot be read: {reason}") }
    }
}

/// The text of an element in an S3 error answer.
fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let length = text[start..].find("</")?;
    Some(&text[start..start + length])
}
