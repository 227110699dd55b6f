//! The page's files, built into the program.

use axum::body::Body;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// The page's tabs; `/` is the overview. The same list stands in `web/src/data/address.ts`.
const PAGES: [&str; 8] = ["basis", "funding", "orders", "quality", "storage", "backtests", "pipeline", "alerts"];

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>KubeTrader</title>\
<h1>The page is not built in</h1><p>This program was compiled before the page was built. Run \
<code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, then compile again (<code>make build</code>).</p>\
<p>The API works: <a href=\"/api/v1/feeds\">/api/v1/feeds</a>.</p></html>";

/// Answers with a file of the page. A name that is not among the files built in is not found: no path
/// reaches the file system.
pub async fn asset(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    // The page's own addresses are drawn by its script.
    let path = if path.is_empty() || PAGES.contains(&path) { "index.html" } else { path };
    let Some(file) = Dist::get(path) else {
        return match path {
            "index.html" => (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response(),
            _ => (StatusCode::NOT_FOUND, "not found\n").into_response(),
        };
    };
    // Names under assets/ carry a hash of their content; the rest may change with the next build.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let headers = [(header::CONTENT_TYPE, kind.as_ref().to_owned()), (header::CACHE_CONTROL, cache.to_owned())];
    (headers, Body::from(file.data.into_owned())).into_response()
}
