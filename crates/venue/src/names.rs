//! Names that come from frames, kept once and borrowed by events.

/// More different names than any venue has channels: beyond it names are not told apart.
const MOST_NAMES: usize = 4_096;

/// Index of a kept name.
pub(crate) type NameId = u32;

/// Interned names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
}

impl Names {
    /// The id of a name, tried first at `hint`, the one found last time.
    #[inline]
    pub(crate) fn intern(&mut self, name: &[u8], hint: &mut NameId) -> NameId {
        if self.names.get(*hint as usize).is_none_or(|kept| kept.as_bytes() != name) {
            *hint = self.search(name);
        }
        *hint
    }

    #[cold]
    fn search(&mut self, name: &[u8]) -> NameId {
        let found = self.names.iter().position(|kept| kept.as_bytes() == name);
        let at = found.unwrap_or_else(|| {
            let full = self.names.len() >= MOST_NAMES;
            let text = if full { "…".into() } else { String::from_utf8_lossy(name).into_owned() };
            if self.names.len() <= MOST_NAMES {
                self.names.push(text.into());
            }
            self.names.len() - 1
        });
        at as NameId
    }

    #[inline]
    pub(crate) fn get(&self, id: NameId) -> &str {
        self.names.get(id as usize).map_or("", |name| name)
    }
}
