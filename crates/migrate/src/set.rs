//! The scripts of one location, read, checked and sorted.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, ScriptName, Version, checksum};

/// One script.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The version; `None` for a repeatable script.
    pub version: Option<Version>,
    /// The description from the file's name.
    pub description: String,
    /// The path below the location, as the history stores it.
    pub script: String,
    /// Flyway's checksum of the text.
    pub checksum: i32,
    /// The text, placeholders replaced.
    pub sql: String,
}

/// All scripts of one location: versioned ones by version, then repeatable ones by description.
#[derive(Debug, Clone, Default)]
pub struct MigrationSet {
    migrations: Vec<Migration>,
}

impl MigrationSet {
    /// Reads scripts given as (path below the location, bytes); `placeholders` replaces `${name}`.
    ///
    /// # Errors
    /// A name, text, placeholder or duplicate version that cannot be used, naming the script.
    pub fn from_files<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        placeholders: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let mut migrations = files
            .into_iter()
            .map(|(script, bytes)| read(script, bytes, placeholders))
            .collect::<Result<Vec<_>, _>>()?;
        migrations.sort_by(|a, b| match (&a.version, &b.version) {
            (Some(a), Some(b)) => a.cmp(b),
            (None, None) => a.description.cmp(&b.description),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        for pair in migrations.windows(2) {
            let same = match (&pair[0].version, &pair[1].version) {
                (None, None) => pair[0].description == pair[1].description,
                (a, b) => a == b,
            };
            if same {
                let reason = format!("{} has the same version or description; renumber one", pair[0].script);
                return Err(Error::Script { script: pair[1].script.clone(), reason });
            }
        }
        Ok(Self { migrations })
    }

    /// Reads every `.sql` file below a directory.
    ///
    /// # Errors
    /// As [`MigrationSet::from_files`], or a file that cannot be read.
    pub fn from_directory(directory: &Path, placeholders: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut files = Vec::new();
        collect(directory, directory, &mut files)?;
        Self::from_files(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())), placeholders)
    }

    /// The scripts in the order in which they are applied.
    #[must_use]
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }
}

fn read(script: &str, bytes: &[u8], placeholders: &BTreeMap<String, String>) -> Result<Migration, Error> {
    let fail = |reason: String| Error::Script { script: script.to_owned(), reason };
    let file_name = script.rsplit('/').next().unwrap_or(script);
    let name = ScriptName::parse(file_name).map_err(fail)?;
    let text = std::str::from_utf8(bytes).map_err(|error| fail(format!("its text is not UTF-8: {error}")))?;
    let sql = replace_placeholders(text, placeholders).map_err(fail)?;
    // Flyway hashes a versioned script as it is in the file, a repeatable one as it is run.
    let checksum = checksum(if name.version.is_some() { text } else { &sql });
    Ok(Migration { version: name.version, description: name.description, script: script.to_owned(), checksum, sql })
}

fn replace_placeholders(text: &str, placeholders: &BTreeMap<String, String>) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or("a placeholder ${ is not closed")?;
        let value = placeholders.get(name).ok_or_else(|| {
            let known: Vec<_> = placeholders.keys().map(String::as_str).collect();
            format!("no value for placeholder ${{{name}}}; known: [{}]", known.join(", "))
        })?;
        result.push_str(before);
        result.push_str(value);
        rest = tail;
    }
    result.push_str(rest);
    Ok(result)
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    let fail = |path: &Path, source| Error::Read { path: path.to_owned(), source };
    for entry in std::fs::read_dir(directory).map_err(|source| fail(directory, source))? {
        let path = entry.map_err(|source| fail(directory, source))?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            let bytes = std::fs::read(&path).map_err(|source| fail(&path, source))?;
            let below = path.strip_prefix(root).unwrap_or(&path);
            files.push((below.to_string_lossy().replace('\\', "/"), bytes));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(files: &[(&str, &str)], placeholders: &[(&str, &str)]) -> Result<MigrationSet, Error> {
        let placeholders = placeholders.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        MigrationSet::from_files(files.iter().map(|(n, t)| (*n, t.as_bytes())), &placeholders)
    }

    #[test]
    fn sorts_versions_by_number_and_repeatables_last() {
        let set = set(&[("R__a.sql", ""), ("V10__x.sql", ""), ("sub/V9__y.sql", ""), ("V1_1__z.sql", "")], &[]);
        let scripts: Vec<_> = set.expect("valid").migrations().iter().map(|m| m.script.clone()).collect();
        assert_eq!(scripts, ["V1_1__z.sql", "sub/V9__y.sql", "V10__x.sql", "R__a.sql"]);
    }

    #[test]
    fn refuses_duplicates_and_unknown_placeholders() {
        let error = set(&[("V1__a.sql", ""), ("V1_0__b.sql", "")], &[]).expect_err("duplicate").to_string();
        assert!(error.contains("V1__a.sql") && error.contains("V1_0__b.sql"), "{error}");
        let error = set(&[("V1__a.sql", "SELECT ${x}")], &[("y", "1")]).expect_err("unknown").to_string();
        assert!(error.contains("${x}") && error.contains("[y]"), "{error}");
    }

    #[test]
    fn placeholder_changes_the_checksum_of_repeatables_only() {
        let files = [("V1__a.sql", "SELECT ${x}"), ("R__b.sql", "SELECT ${x}")];
        let one = set(&files, &[("x", "1")]).expect("valid");
        let two = set(&files, &[("x", "2")]).expect("valid");
        assert_eq!(one.migrations()[0].checksum, two.migrations()[0].checksum);
        assert_ne!(one.migrations()[1].checksum, two.migrations()[1].checksum);
        assert_eq!(two.migrations()[0].sql, "SELECT 2");
    }
}
