//! Whether the text being read is quoted or fenced, and how much of it was.

/// Quotation so far.
#[derive(Default)]
pub(super) struct Quoting {
    /// The sign that ends the open quotation.
    pub(super) quote: Option<char>,
    /// Inside a block of code.
    pub(super) fenced: bool,
    /// What is read is not the ask's own words: one of the two. Asked for every word.
    open: bool,
    /// Letters before the quotation that is open, and in all that were closed.
    from: u32,
    closed: u32,
}

impl Quoting {
    /// What is read is not the ask's own words.
    #[inline]
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Changes `quote` or `fenced` behind the letter that is the `at`th of the text: it still counts as what it was.
    pub(super) fn change(&mut self, at: u32, change: impl FnOnce(&mut Self)) {
        let was_open = self.open;
        change(self);
        self.open = self.fenced || self.quote.is_some();
        match (was_open, self.open) {
            (false, true) => self.from = at,
            (true, false) => self.closed += at - self.from,
            _ => {}
        }
    }

    /// How many of a text's first `at` letters were quoted.
    pub(super) const fn letters(&self, at: u32) -> u32 {
        self.closed + if self.open { at - self.from } else { 0 }
    }
}
