//! Removes what the file store leaves in its root: a small file of checksums for each object, also for those
//! that were deleted.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Removes the files of checksums whose object is gone; returns how many. To be called before serving.
pub(crate) fn forgotten_checksums(directory: &Path) -> std::io::Result<u64> {
    let mut removed = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((bucket, key)) = name.to_str().and_then(object) else { continue };
        if !directory.join(bucket).join(key).exists() {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Bucket and key in the name of a file of checksums: `.bucket-<base64>.object-<base64>.internal.json`.
fn object(name: &str) -> Option<(String, String)> {
    let (bucket, key) = name.strip_prefix(".bucket-")?.strip_suffix(".internal.json")?.split_once(".object-")?;
    let text = |word: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(word).ok()?).ok();
    Some((text(bucket)?, text(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_checksums_of_objects_that_are_there() {
        let directory = tempfile::tempdir().expect("directory");
        let root = directory.path();
        std::fs::create_dir_all(root.join("cold/a")).expect("folder");
        std::fs::write(root.join("cold/a/b"), "x").expect("object");
        let name = |key: &str| {
            format!(".bucket-{}.object-{}.internal.json", URL_SAFE_NO_PAD.encode("cold"), URL_SAFE_NO_PAD.encode(key))
        };
        for key in ["a/b", "a/gone"] {
            std::fs::write(root.join(name(key)), "{}").expect("checksums");
        }
        std::fs::write(root.join(".bucket-other"), "{}").expect("another file");
        assert_eq!(forgotten_checksums(root).expect("sweeps"), 1);
        assert!(root.join(name("a/b")).exists() && !root.join(name("a/gone")).exists());
        assert!(root.join(".bucket-other").exists());
    }
}
