//! Renders an overlay with the real Kustomize and finds the way back from what came out to the file that says it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Finding;
use crate::document::{Document, steps};

/// A folder that Kustomize renders, with every file that takes part.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// The folder.
    pub folder: PathBuf,
    layers: Vec<Layer>,
    /// What `images:` writes: the image's name, and where the tag stands.
    images: Vec<(String, Finding)>,
}

/// Something that contributes to the result: a whole object, a part of one, or one operation on one.
#[derive(Debug, Clone)]
struct Layer {
    document: Document,
    kind: String,
    name: String,
    /// Where in the document the value stands that goes to `target` of the object.
    from: String,
    target: String,
}

/// An object as it would reach the cluster.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Where it comes from.
    pub overlay: Overlay,
    /// What it is.
    pub object: Document,
}

impl Rendered {
    /// A finding about a value of the object, at the line of the source that gives it.
    #[must_use]
    pub fn finding(&self, pointer: &str, message: impl Into<String>) -> Finding {
        let mut finding = self.overlay.locate(&self.object, pointer);
        finding.message = message.into();
        finding
    }

    /// A finding about an image: at the line of its tag where the overlay sets it.
    #[must_use]
    pub fn image_finding(&self, pointer: &str, image: &str, message: impl Into<String>) -> Finding {
        let set = self.overlay.images.iter().find(|(name, _)| image.starts_with(&format!("{name}:")));
        match set {
            Some((_, place)) => Finding { message: message.into(), ..place.clone() },
            None => self.finding(pointer, message),
        }
    }

    /// Its kind without the version.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.object.text("/kind")
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object.text("/metadata/name")
    }

    /// Its namespace; empty for what belongs to the cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.object.text("/metadata/namespace")
    }

    /// `prod` or `test`, where the overlay's folder says so; what has no such folder is in production.
    #[must_use]
    pub fn environment(&self) -> &str {
        if self.overlay.folder.ends_with("test") { "test" } else { "prod" }
    }
}

/// The folders that are rendered for themselves: those that no other folder includes.
#[must_use]
pub fn roots(root: &Path, sources: &[Document]) -> Vec<PathBuf> {
    let kustomizations: Vec<&Document> = sources.iter().filter(|document| is(document, "Kustomization")).collect();
    let mut included = BTreeSet::new();
    for document in sources.iter().filter(|document| is(document, "Kustomization") || is(document, "Component")) {
        included.extend(references(document, "resources").into_iter().map(|(path, _)| path));
    }
    let folder = |document: &&Document| document.file.parent().map(Path::to_owned);
    kustomizations.iter().filter_map(folder).filter(|at| at.starts_with(root) && !included.contains(at)).collect()
}

/// The files that kustomizations name as patches.
#[must_use]
pub fn patch_files(sources: &[Document]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for document in sources.iter().filter(|document| is(document, "Kustomization") || is(document, "Component")) {
        let folder = document.file.parent().unwrap_or(Path::new(""));
        let patches = document.value.get("patches").and_then(Value::as_array);
        let paths = patches.into_iter().flatten().filter_map(|patch| patch.get("path")?.as_str());
        found.extend(paths.map(|path| normal(&folder.join(path))));
    }
    found
}

fn is(document: &Document, kind: &str) -> bool {
    document.text("/apiVersion").starts_with("kustomize.config.k8s.io/") && document.text("/kind") == kind
}

/// The paths that a list of a kustomization names, with the pointer to each.
fn references(document: &Document, list: &str) -> Vec<(PathBuf, String)> {
    let folder = document.file.parent().unwrap_or(Path::new(""));
    let items = document.value.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let path =
        |(index, item): (usize, &Value)| Some((normal(&folder.join(item.as_str()?)), format!("/{list}/{index}")));
    items.iter().enumerate().filter_map(path).collect()
}

/// Without `.` and `..`: the files need not exist.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts
}

impl Overlay {
    /// Reads what takes part in a folder's rendering, the outermost first.
    #[must_use]
    pub fn read(folder: &Path, sources: &[Document]) -> Self {
        let mut overlay = Self { folder: folder.to_owned(), layers: Vec::new(), images: Vec::new() };
        overlay.collect(folder, sources);
        overlay
    }

    fn collect(&mut self, folder: &Path, sources: &[Document]) {
        let file = folder.join("kustomization.yaml");
        let Some(document) = sources.iter().find(|document| document.file == file) else { return };
        self.patches(document, sources);
        self.images(document);
        for list in ["components", "resources"] {
            for (path, _) in references(document, list) {
                if path.extension().is_some() {
                    self.whole(sources.iter().filter(|source| source.file == path));
                } else {
                    self.collect(&path, sources);
                }
            }
        }
    }

    fn whole<'a>(&mut self, documents: impl Iterator<Item = &'a Document>) {
        for document in documents {
            self.layers.push(Layer {
                kind: document.text("/kind").to_owned(),
                name: document.text("/metadata/name").to_owned(),
                document: document.clone(),
                from: String::new(),
                target: String::new(),
            });
        }
    }

    fn patches(&mut self, kustomization: &Document, sources: &[Document]) {
        let folder = kustomization.file.parent().unwrap_or(Path::new(""));
        let count = kustomization.value.get("patches").and_then(Value::as_array).map_or(0, Vec::len);
        for index in 0..count {
            let at = format!("/patches/{index}");
            let path = kustomization.text(&format!("{at}/path"));
            if !path.is_empty() {
                let path = normal(&folder.join(path));
                self.whole(sources.iter().filter(|source| source.file == path));
                continue;
            }
            let text = kustomization.text(&format!("{at}/patch"));
            let offset = kustomization.line(&format!("{at}/patch"));
            for document in Document::parse(&kustomization.file, text, offset).unwrap_or_default() {
                let (kind, name) = (format!("{at}/target/kind"), format!("{at}/target/name"));
                self.operations(&document, kustomization.text(&kind), kustomization.text(&name));
            }
        }
    }

    fn operations(&mut self, document: &Document, kind: &str, name: &str) {
        let Some(operations) = document.value.as_array() else {
            return self.whole(std::iter::once(document));
        };
        for (index, operation) in operations.iter().enumerate() {
            self.layers.push(Layer {
                document: document.clone(),
                kind: kind.to_owned(),
                name: name.to_owned(),
                from: format!("/{index}/value"),
                target: operation.get("path").and_then(Value::as_str).unwrap_or_default().to_owned(),
            });
        }
    }

    fn images(&mut self, kustomization: &Document) {
        let count = kustomization.value.get("images").and_then(Value::as_array).map_or(0, Vec::len);
        for index in 0..count {
            let at = format!("/images/{index}");
            let renamed = kustomization.text(&format!("{at}/newName"));
            let name = if renamed.is_empty() { kustomization.text(&format!("{at}/name")) } else { renamed };
            self.images.push((name.to_owned(), kustomization.finding(&format!("{at}/newTag"), "")));
        }
    }

    /// What Kustomize makes of the folder.
    ///
    /// # Errors
    /// Kustomize's own words, at the folder's kustomization.
    pub fn build(&self, kustomize: &Path) -> Result<Vec<Document>, Finding> {
        let file = self.folder.join("kustomization.yaml");
        let failed = |message: String| Finding { file: file.clone(), line: 1, message };
        let output = Command::new(kustomize)
            .args(["build", "--load-restrictor", "LoadRestrictionsRootOnly"])
            .arg(&self.folder)
            .output()
            .map_err(|error| failed(format!("kustomize does not start: {error}")))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("kustomize: {}", text.trim().trim_start_matches("Error: "))));
        }
        Document::parse(&file, &String::from_utf8_lossy(&output.stdout), 0)
    }

    /// The place in the sources that gives the object's value at a pointer: the deepest match, the outermost of equals.
    fn locate(&self, object: &Document, pointer: &str) -> Finding {
        let (kind, name) = (object.text("/kind"), object.text("/metadata/name"));
        let mut best: Option<(usize, Finding)> = None;
        for layer in self.layers.iter().filter(|layer| layer.kind == kind && name.contains(&layer.name)) {
            let Some((depth, line)) = layer.place(pointer) else { continue };
            // An object's own name outweighs a part of another's.
            let score = depth * 2 + usize::from(layer.name == name);
            if best.as_ref().is_none_or(|(other, _)| score > *other) {
                best = Some((score, Finding { file: layer.document.file.clone(), line, message: String::new() }));
            }
        }
        best.map_or_else(
            || Finding { file: self.folder.join("kustomization.yaml"), line: 1, message: String::new() },
            |(_, finding)| finding,
        )
    }
}

impl Layer {
    /// How deep this layer follows a pointer, and the line where it ends.
    fn place(&self, pointer: &str) -> Option<(usize, usize)> {
        let below = pointer.strip_prefix(self.target.as_str())?;
        if !below.is_empty() && !below.starts_with('/') {
            return None;
        }
        let full = format!("{}{below}", self.from);
        let own = steps(&self.from).count();
        let depth = self.document.depth(&full).checked_sub(own)? + steps(&self.target).count();
        Some((depth, self.document.line(&full)))
    }
}
