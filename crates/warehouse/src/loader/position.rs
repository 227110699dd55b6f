//! Up to which place of the log everything has landed.

use std::collections::VecDeque;

use kt_bus::LogPosition;

/// Places of the log in the order of delivery, each settled (landed or refused) or not yet.
#[derive(Debug, Default)]
pub struct Positions {
    waiting: VecDeque<(LogPosition, bool)>,
    through: Option<LogPosition>,
}

impl Positions {
    /// Everything up to `through` has landed.
    #[must_use]
    pub fn new(through: Option<LogPosition>) -> Self {
        Self { waiting: VecDeque::new(), through }
    }

    /// A block was delivered. Places of a stream that was recreated since count no more.
    pub fn delivered(&mut self, position: LogPosition) {
        let follows = self
            .waiting
            .back()
            .map(|(last, _)| *last)
            .or(self.through)
            .is_none_or(|last| last.stream_created == position.stream_created && last.sequence < position.sequence);
        if !follows {
            // The log was recreated or cut back: its writers send again what is missing.
            self.waiting.clear();
            self.through = None;
        }
        self.waiting.push_back((position, false));
    }

    /// The block there has landed or was refused for good.
    pub fn settled(&mut self, position: LogPosition) {
        let at = self.waiting.binary_search_by_key(&position.sequence, |(waiting, _)| waiting.sequence);
        if let Ok(at) = at
            && self.waiting[at].0.stream_created == position.stream_created
        {
            self.waiting[at].1 = true;
        }
        while let Some(&(first, true)) = self.waiting.front() {
            self.waiting.pop_front();
            self.through = Some(first);
        }
    }

    /// The last place up to which everything is settled.
    #[must_use]
    pub fn through(&self) -> Option<LogPosition> {
        self.through
    }
}
