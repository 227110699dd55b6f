//! Results that are fetched and inserts that are fed part by part.

use super::connection::{Connection, Output, Statistics, no_answer, take_result, text};
use super::library::{RawInsert, RawResult};
use crate::exception::Exception;

/// A running SELECT.
pub struct ResultStream<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) handle: RawResult,
    pub(super) finished: bool,
}

impl ResultStream<'_> {
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// What the engine reports; nothing follows an error.
    pub fn next_part(&mut self) -> Result<Option<Output>, Exception> {
        if self.finished {
            return Ok(None);
        }
        // SAFETY: the stream is live and this is the only caller.
        let part = unsafe { (self.connection.api.chdb_stream_fetch_result)(self.connection.raw(), self.handle) };
        let output = take_result(&self.connection.api, part).inspect_err(|_| self.finished = true)?;
        // A part without rows is the last; it may still carry totals or an empty table's header.
        self.finished = output.statistics.result_rows == 0;
        if self.finished && output.data.is_empty() {
            return Ok(None);
        }
        Ok(Some(output))
    }
}

impl Drop for ResultStream<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live; an unfinished stream is cancelled, then every stream is
        // destroyed exactly once.
        unsafe {
            if !self.finished {
                (self.connection.api.chdb_stream_cancel_query)(self.connection.raw(), self.handle);
            }
            (self.connection.api.chdb_destroy_query_result)(self.handle);
        }
    }
}

/// A running INSERT. Dropped unfinished, it is cancelled and inserts nothing that was not yet
/// flushed as a block.
pub struct InsertStream<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) handle: RawInsert,
    pub(super) finished: bool,
}

impl InsertStream<'_> {
    pub(super) fn error(&self) -> Option<Exception> {
        // SAFETY: the handle is live; the text belongs to it and is copied.
        unsafe { text((self.connection.api.chdb_stream_insert_error)(self.handle)) }
            .map(|message| Exception::parse(&message))
    }

    /// Adds data; boundaries need not be those of rows. Waits when the engine is behind.
    ///
    /// # Errors
    /// What the engine found wrong with earlier data.
    pub fn append(&mut self, data: &[u8]) -> Result<(), Exception> {
        // SAFETY: the buffer is live and copied by the engine.
        let state = unsafe { (self.connection.api.chdb_stream_append)(self.handle, data.as_ptr().cast(), data.len()) };
        if state == 0 {
            return Ok(());
        }
        Err(self.error().unwrap_or_else(no_answer))
    }

    /// Ends the data and commits.
    ///
    /// # Errors
    /// What the engine reports; then the current block was not inserted.
    pub fn finish(mut self) -> Result<Statistics, Exception> {
        self.finished = true;
        // SAFETY: the handle is live; the result is ours to destroy.
        let result = unsafe { (self.connection.api.chdb_stream_done)(self.handle) };
        take_result(&self.connection.api, result).map(|output| output.statistics)
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live; cancelled unless done, destroyed exactly once.
        unsafe {
            if !self.finished {
                (self.connection.api.chdb_stream_cancel_insert)(self.handle);
            }
            (self.connection.api.chdb_destroy_insert_stream)(self.handle);
        }
    }
}
