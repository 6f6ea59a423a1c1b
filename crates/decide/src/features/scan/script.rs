//! Which script a letter beyond ASCII belongs to.

/// A script, in the order of the scan's tally.
#[derive(Clone, Copy)]
pub(super) enum Script {
    Latin = 0,
    Cyrillic = 1,
    Arabic = 2,
    Indic = 3,
    Other = 4,
    Han = 5,
    Kana = 6,
    /// No letter at all.
    Sign,
}

impl Script {
    /// Scripts that have letters.
    pub(super) const LETTERS: usize = Self::Sign as usize;

    /// The script of a letter that is not ASCII.
    pub(super) fn of(letter: char) -> Self {
        match letter as u32 {
            0xd7 | 0xf7 => Self::Sign,
            0xc0..=0x24f | 0x1e00..=0x1eff | 0x300..=0x36f => Self::Latin,
            0x400..=0x52f => Self::Cyrillic,
            0x60c | 0x61b | 0x61f | 0x964 | 0x965 => Self::Sign,
            0x590..=0x77f | 0xfb1d..=0xfeff => Self::Arabic,
            0x900..=0xdff => Self::Indic,
            0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff => Self::Han,
            0x3041..=0x30fa | 0x30fc..=0x31ff | 0x1100..=0x11ff | 0xac00..=0xd7af => Self::Kana,
            _ if letter.is_alphanumeric() => Self::Other,
            _ => Self::Sign,
        }
    }
}
