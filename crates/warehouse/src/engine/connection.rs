//! One connection to the engine, and the statements it runs.

use std::ffi::{CStr, c_char};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::library::{Api, RawAnalysis, RawConnection, RawResult};
use super::streams::{InsertStream, ResultStream};
use crate::exception::Exception;

/// A `{name:Type}` parameter's name and its value in ClickHouse's escaped text form.
pub type Parameter = (String, String);

/// What the engine counted while it ran a statement.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Rows in the result.
    pub result_rows: u64,
    /// Rows read from tables.
    pub read_rows: u64,
    /// Bytes read from tables.
    pub read_bytes: u64,
    /// Rows written, materialised views included.
    pub written_rows: u64,
    /// Bytes written, materialised views included.
    pub written_bytes: u64,
}

impl Statistics {
    /// Adds another part of the same statement.
    pub fn add(&mut self, other: &Statistics) {
        self.result_rows += other.result_rows;
        self.read_rows += other.read_rows;
        self.read_bytes += other.read_bytes;
        self.written_rows += other.written_rows;
        self.written_bytes += other.written_bytes;
    }
}

/// A result, or a part of one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Output {
    /// Bytes in the format asked for.
    pub data: Vec<u8>,
    /// What the engine counted.
    pub statistics: Statistics,
}

/// What a statement would do, told by the engine's parser without running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS, CHECK.
    ReadOnly,
    /// Changes data or schema.
    Mutating,
    /// SET, USE, SYSTEM, KILL, INTO OUTFILE, …
    Control,
    /// Did not parse.
    Unknown,
}

/// Class and number of the statements in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classification {
    /// The most restricted class among them.
    pub class: Class,
    /// How many there are; 0 when the text did not parse.
    pub statements: u32,
}

/// A connection. It may move between threads but serves one at a time.
pub struct Connection {
    pub(super) api: Arc<Api>,
    open: Arc<AtomicUsize>,
    handle: *mut RawConnection,
}

// SAFETY: the C interface lets any thread use a connection as long as calls do not overlap;
// `&mut self` on every statement keeps them apart.
unsafe impl Send for Connection {}

impl Connection {
    pub(super) fn open(api: &Arc<Api>, open: &Arc<AtomicUsize>, arguments: &[std::ffi::CString]) -> Option<Self> {
        let mut pointers: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
        let count = i32::try_from(pointers.len()).ok()?;
        // SAFETY: `pointers` holds `count` NUL-terminated strings that outlive the call; the
        // engine copies them.
        let handle = unsafe { (api.chdb_connect)(count, pointers.as_mut_ptr()) };
        // SAFETY: a non-null result points to the connection.
        if handle.is_null() || unsafe { *handle }.is_null() {
            return None;
        }
        open.fetch_add(1, Ordering::SeqCst);
        Some(Self { api: Arc::clone(api), open: Arc::clone(open), handle })
    }

    pub(super) fn raw(&self) -> RawConnection {
        // SAFETY: `handle` was checked at opening and stays valid until `drop`.
        unsafe { *self.handle }
    }

    /// Runs a statement and returns its whole result.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn execute(&mut self, sql: &str, format: &str, parameters: &[Parameter]) -> Result<Output, Exception> {
        let result = self.call(self.api.chdb_query_with_params_n, sql, format, parameters);
        take_result(&self.api, result)
    }

    /// Starts a SELECT whose result is fetched part by part.
    ///
    /// Every part is a complete document of `format` (a header repeats, for instance).
    ///
    /// # Errors
    /// What the engine reports; code 36 for statements that cannot be streamed.
    pub fn stream(&mut self, sql: &str, format: &str, parameters: &[Parameter]) -> Result<ResultStream<'_>, Exception> {
        let handle = self.call(self.api.chdb_stream_query_with_params_n, sql, format, parameters);
        if handle.is_null() {
            return Err(no_answer());
        }
        let stream = ResultStream { connection: self, handle, finished: false };
        // SAFETY: `handle` is a live result.
        match unsafe { text((stream.connection.api.chdb_result_error)(handle)) } {
            Some(error) => Err(Exception::parse(&error)),
            None => Ok(stream),
        }
    }

    /// Starts an INSERT (without `FORMAT`) whose data follows in `format`.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn insert(&mut self, sql: &str, format: &str, parameters: &[Parameter]) -> Result<InsertStream<'_>, Exception> {
        let handle = self.call(self.api.chdb_stream_insert_with_params_n, sql, format, parameters);
        if handle.is_null() {
            return Err(no_answer());
        }
        let stream = InsertStream { connection: self, handle, finished: false };
        match stream.error() {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    /// Asks the engine's parser what a text would do.
    pub fn classify(&self, sql: &str) -> Classification {
        let mut analysis = RawAnalysis { struct_size: size_of::<RawAnalysis>() as u32, ..RawAnalysis::default() };
        // SAFETY: pointers and lengths describe live buffers; a null target database is allowed;
        // `struct_size` tells how much may be written.
        let state = unsafe {
            (self.api.chdb_classify_query_n)(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                std::ptr::null(),
                0,
                &raw mut analysis,
            )
        };
        let class = match (state, analysis.query_class) {
            (0, 0) if analysis.statement_count > 0 => Class::ReadOnly,
            (0, 1 | 2) => Class::Mutating,
            (0, 3) => Class::Control,
            _ => Class::Unknown,
        };
        Classification { class, statements: analysis.statement_count }
    }

    fn call<T>(
        &self,
        function: unsafe extern "C" fn(
            RawConnection,
            *const c_char,
            usize,
            *const c_char,
            usize,
            *const *const c_char,
            *const usize,
            *const *const c_char,
            *const usize,
            usize,
        ) -> T,
        sql: &str,
        format: &str,
        parameters: &[Parameter],
    ) -> T {
        let names: Vec<*const c_char> = parameters.iter().map(|p| p.0.as_ptr().cast()).collect();
        let name_lengths: Vec<usize> = parameters.iter().map(|p| p.0.len()).collect();
        let values: Vec<*const c_char> = parameters.iter().map(|p| p.1.as_ptr().cast()).collect();
        let value_lengths: Vec<usize> = parameters.iter().map(|p| p.1.len()).collect();
        // SAFETY: every pointer comes with the length of a buffer that lives through the call;
        // the engine captures the parameters before it returns.
        unsafe {
            function(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once; streams borrow the connection, so none is left.
        unsafe { (self.api.chdb_close_conn)(self.handle) };
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn take_result(api: &Api, result: RawResult) -> Result<Output, Exception> {
    if result.is_null() {
        return Err(no_answer());
    }
    // SAFETY: `result` is live until destroyed at the end; its buffer is copied before that.
    unsafe {
        let answer = match text((api.chdb_result_error)(result)) {
            Some(error) => Err(Exception::parse(&error)),
            None => {
                let buffer = (api.chdb_result_buffer)(result);
                let length = (api.chdb_result_length)(result);
                let data = if buffer.is_null() || length == 0 {
                    Vec::new()
                } else {
                    std::slice::from_raw_parts(buffer.cast::<u8>(), length).to_vec()
                };
                Ok(Output {
                    data,
                    statistics: Statistics {
                        result_rows: (api.chdb_result_rows_read)(result),
                        read_rows: (api.chdb_result_storage_rows_read)(result),
                        read_bytes: (api.chdb_result_storage_bytes_read)(result),
                        written_rows: (api.chdb_result_rows_written)(result),
                        written_bytes: (api.chdb_result_bytes_written)(result),
                    },
                })
            }
        };
        (api.chdb_destroy_query_result)(result);
        answer
    }
}

pub(super) fn no_answer() -> Exception {
    Exception::new(1001, "STD_EXCEPTION", "the engine gave no answer")
}

/// Copies a C string that may be null or empty.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
pub(super) unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) }.to_string_lossy();
    (!text.is_empty()).then(|| text.into_owned())
}
