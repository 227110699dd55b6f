//! The workflows and images: pinned, and clean by the tools that know their traps.

use std::process::Command;

use crate::support::{root, skip, tools};

#[test]
fn workflows_are_clean_by_actionlint_and_zizmor() {
    let folder = root().join(".github/workflows");
    let files: Vec<_> = std::fs::read_dir(&folder).expect("workflows").flatten().map(|entry| entry.path()).collect();
    match tools().actionlint {
        Some(actionlint) => clean(Command::new(actionlint).args(["-no-color", "-shellcheck="]).args(&files)),
        None => skip("actionlint is not installed; run `python3 setup/delivery.py`"),
    }
    let zizmor = tools().python.map(|python| python.with_file_name("zizmor")).filter(|path| path.exists());
    match zizmor {
        Some(zizmor) => clean(Command::new(zizmor).args(["--offline", "--no-progress", "--quiet"]).arg(&folder)),
        None => skip("zizmor is not installed; run `python3 setup/delivery.py`"),
    }
}

fn clean(command: &mut Command) {
    let output = command.output().expect("the tool starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn actions_are_pinned_by_hash_and_images_by_version() {
    for entry in std::fs::read_dir(root().join(".github/workflows")).expect("workflows").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("text");
        for (index, line) in text.lines().enumerate() {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            let hash = action.split_once('@').map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default());
            let whole = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(whole, "{}:{}: {action} is not pinned by hash", entry.path().display(), index + 1);
        }
    }
    for entry in std::fs::read_dir(root().join("deploy/images")).expect("images").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "Dockerfile") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let stages: Vec<&str> = text.lines().filter_map(|line| line.split(" AS ").nth(1)).collect();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("FROM ")) {
            let image = line.split(' ').nth(1).unwrap_or_default();
            let tag = image.split_once(':').map_or("", |(_, tag)| tag);
            let exact = tag.split(['-', '_']).next().is_some_and(|version| version.matches('.').count() >= 1);
            assert!(stages.contains(&image) || exact, "{}:{}: {image} can move", path.display(), index + 1);
        }
        // The last word on who runs: every final stage names a user that is not root.
        assert!(text.matches("USER 10001:10001").count() >= 1, "{}: runs as root", path.display());
    }
}
