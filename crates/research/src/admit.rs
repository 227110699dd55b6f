//! What a request for a kernel may say: its size by the name of a specification, and nothing else.
//!
//! The gateway applies variables that a client sends after a specification's own, so whatever could choose a size, a
//! user, an image or a path there is refused here, by name.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::size::Size;

/// The largest request body that is read.
pub(crate) const LARGEST_BODY: usize = 64 << 10;

/// Variables that usual clients send by themselves and that mean nothing here: they are dropped.
const DROPPED: [&str; 2] = ["KERNEL_WORKING_DIR", "KERNEL_LAUNCH_TIMEOUT"];

/// A refusal as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// One word, for metrics and programs.
    pub(crate) cause: &'static str,
    /// For people: what was refused, and what to do.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, cause: &'static str, message: impl Into<String>) -> Self {
        Self { status, cause, message: message.into() }
    }
}

/// The size that the body of a request for a kernel asks for.
///
/// # Errors
/// What it must not say.
pub(crate) fn size(body: &[u8], user: &str) -> Result<Size, Refusal> {
    let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, "body", message);
    let body: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body).map_err(|error| bad(format!("the request's body is no JSON object: {error}")))?
    };
    if let Some(key) = body.keys().find(|key| !["name", "env", "path"].contains(&key.as_str())) {
        return Err(bad(format!("{key:?} cannot be chosen; a request names a kernel's size by \"name\" and no more")));
    }
    environment(body.get("env").unwrap_or(&Value::Null), user)?;
    match body.get("name") {
        None | Some(Value::Null) => Ok(Size::S),
        // What notebooks from elsewhere name, and some clients when nobody names anything.
        Some(Value::String(name)) if name == "python3" => Ok(Size::S),
        Some(name) => name.as_str().and_then(Size::of_spec).ok_or_else(|| {
            let known = Size::ALL.map(Size::spec).join(", ");
            Refusal::new(StatusCode::BAD_REQUEST, "size", format!("there is no kernel {name}; there are {known}"))
        }),
    }
}

fn environment(sent: &Value, user: &str) -> Result<(), Refusal> {
    let sent = match sent {
        Value::Null => return Ok(()),
        Value::Object(sent) => sent,
        _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "body", "\"env\" is no JSON object")),
    };
    for (name, value) in sent {
        if name == "KERNEL_USERNAME" {
            if value.as_str() == Some(user) {
                continue;
            }
            let message = format!("the token is {user}'s; KERNEL_USERNAME cannot name somebody else");
            return Err(Refusal::new(StatusCode::FORBIDDEN, "user", message));
        }
        if !DROPPED.contains(&name.as_str()) {
            let message = format!(
                "the variable {name} cannot be set from outside: size, user, image and environment of a kernel are the \
                 platform's; set it within the notebook"
            );
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "override", message));
        }
    }
    Ok(())
}

/// Whether a text is a kernel's id as this service makes them: nothing else becomes part of a path.
pub(crate) fn is_id(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let plain = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    plain && groups == [8, 4, 4, 4, 12]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cause(body: &str) -> Result<Size, &'static str> {
        size(body.as_bytes(), "alice").map_err(|refusal| refusal.cause)
    }

    #[test]
    fn the_name_alone_decides() {
        assert_eq!(cause(""), Ok(Size::S));
        assert_eq!(cause(r#"{"name": "kubetrader-l"}"#), Ok(Size::L));
        let usual = r#"{"name": "kubetrader-m", "env": {"KERNEL_WORKING_DIR": "/x", "KERNEL_USERNAME": "alice"}}"#;
        assert_eq!(cause(usual), Ok(Size::M));
        assert_eq!(cause(r#"{"name": "python3"}"#), Ok(Size::S));
        assert_eq!(cause(r#"{"name": "ir"}"#), Err("size"));
        assert_eq!(cause(r#"{"name": "../kubetrader-s"}"#), Err("size"));
        assert_eq!(cause(r#"{"env": {"KERNEL_USERNAME": "bob"}}"#), Err("user"));
        assert_eq!(cause(r#"{"kernel_headers": {}}"#), Err("body"));
        assert_eq!(cause("[]"), Err("body"));
        assert_eq!(cause(r#"{"env": "KERNEL_IMAGE"}"#), Err("body"));
    }

    proptest! {
        #[test]
        fn no_variable_gets_in(name in "[A-Z_]{1,24}", value in ".{0,8}") {
            prop_assume!(name != "KERNEL_USERNAME" && !DROPPED.contains(&name.as_str()));
            let body = serde_json::json!({"env": {name: value}}).to_string();
            prop_assert_eq!(cause(&body), Err("override"));
        }

        #[test]
        fn an_id_cannot_leave_its_place(text in "[0-9a-f-]{30,40}|.{0,40}") {
            let groups: Vec<_> = text.split('-').collect();
            let right = groups.len() == 5 && text.len() == 36 && !text.contains(['/', '.', '%']);
            prop_assert!(!is_id(&text) || right);
        }
    }
}
