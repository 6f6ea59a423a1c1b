//! What this replica has settled and reserved of each shared purse, as sums that can be told again at any time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tierway_decide::Usd;

/// This replica's part of one purse in one window.
pub(crate) struct Book {
    /// Its name in the database.
    pub(crate) key: String,
    /// Seconds that it is kept there.
    pub(crate) keep_s: i64,
    settled: AtomicI64,
    open: AtomicI64,
}

impl Book {
    pub(crate) fn reserve(&self, amount: Usd) {
        self.open.fetch_add(amount.picos(), Ordering::AcqRel);
    }

    pub(crate) fn settle(&self, reserved: Usd, paid: Usd) {
        self.settled.fetch_add(paid.picos(), Ordering::AcqRel);
        self.open.fetch_sub(reserved.picos(), Ordering::AcqRel);
    }

    pub(crate) fn settled(&self) -> i64 {
        self.settled.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::Acquire).max(0)
    }
}

/// All of them; those of windows that are over go when nothing of them is open.
#[derive(Default)]
pub(crate) struct Books(Mutex<HashMap<String, Arc<Book>>>);

/// More are never needed at once: a few for each holder of a budget.
const ENOUGH: usize = 10_000;

impl Books {
    pub(crate) fn find(&self, key: String, keep_s: i64) -> Arc<Book> {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = books.get(&key) {
            return book.clone();
        }
        if books.len() >= ENOUGH {
            books.retain(|_, book| book.open() > 0);
        }
        let fresh = Book { key: key.clone(), keep_s, settled: AtomicI64::new(0), open: AtomicI64::new(0) };
        books.entry(key).or_insert(Arc::new(fresh)).clone()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
