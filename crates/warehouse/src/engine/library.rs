//! The C interface of `libchdb.so`, resolved at run time.
//!
//! Resolving instead of linking lets one binary run without the library (against a remote
//! ClickHouse) and keeps the build free of C headers. Declarations follow the public header
//! `chdb.h` of chdb-core 26.7.

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;

use libloading::Library;

use crate::error::WarehouseError;

/// The engine version this program is tested with, as `chdb_version()` gives it.
pub const WANTED_VERSION: &str = "26.7.3";

/// `chdb_connection`: opaque.
pub(super) type RawConnection = *mut c_void;
/// `chdb_result *`: opaque.
pub(super) type RawResult = *mut c_void;
/// `chdb_insert_stream`: opaque.
pub(super) type RawInsert = *mut c_void;

/// `chdb_query_analysis_v1`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RawAnalysis {
    pub(super) struct_size: u32,
    pub(super) statement_count: u32,
    pub(super) flags: u32,
    pub(super) query_class: u32,
}

type WithParameters<T> = unsafe extern "C" fn(
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
) -> T;

macro_rules! functions {
    ($($name:ident : $kind:ty),* $(,)?) => {
        /// The functions of the library that the warehouse calls.
        pub(super) struct Api {
            $(pub(super) $name: $kind,)*
            // Never unmapped: threads of the engine and destructors registered for exit run its
            // code to the very end of the process.
            _library: ManuallyDrop<Library>,
        }

        impl Api {
            fn resolve(library: Library) -> Result<Self, libloading::Error> {
                // SAFETY: the names and types are those of chdb.h 26.7, and the version is
                // checked before any other function is called. The pointers are copied out of
                // the symbols, and the library is never unmapped.
                unsafe {
                    $(let $name = *library.get::<$kind>(concat!(stringify!($name), "\0").as_bytes())?;)*
                    Ok(Self { $($name,)* _library: ManuallyDrop::new(library) })
                }
            }
        }
    };
}

functions! {
    chdb_version: unsafe extern "C" fn() -> *const c_char,
    chdb_set_signal_handlers_enabled: unsafe extern "C" fn(c_int),
    chdb_connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut RawConnection,
    chdb_close_conn: unsafe extern "C" fn(*mut RawConnection),
    chdb_shutdown: unsafe extern "C" fn() -> c_int,
    chdb_query_with_params_n: WithParameters<RawResult>,
    chdb_stream_query_with_params_n: WithParameters<RawResult>,
    chdb_stream_fetch_result: unsafe extern "C" fn(RawConnection, RawResult) -> RawResult,
    chdb_stream_cancel_query: unsafe extern "C" fn(RawConnection, RawResult),
    chdb_destroy_query_result: unsafe extern "C" fn(RawResult),
    chdb_stream_insert_with_params_n: WithParameters<RawInsert>,
    chdb_stream_append: unsafe extern "C" fn(RawInsert, *const c_void, usize) -> c_int,
    chdb_stream_done: unsafe extern "C" fn(RawInsert) -> RawResult,
    chdb_stream_cancel_insert: unsafe extern "C" fn(RawInsert),
    chdb_stream_insert_error: unsafe extern "C" fn(RawInsert) -> *const c_char,
    chdb_destroy_insert_stream: unsafe extern "C" fn(RawInsert),
    chdb_result_buffer: unsafe extern "C" fn(RawResult) -> *const c_char,
    chdb_result_length: unsafe extern "C" fn(RawResult) -> usize,
    chdb_result_rows_read: unsafe extern "C" fn(RawResult) -> u64,
    chdb_result_storage_rows_read: unsafe extern "C" fn(RawResult) -> u64,
    chdb_result_storage_bytes_read: unsafe extern "C" fn(RawResult) -> u64,
    chdb_result_rows_written: unsafe extern "C" fn(RawResult) -> u64,
    chdb_result_bytes_written: unsafe extern "C" fn(RawResult) -> u64,
    chdb_result_error: unsafe extern "C" fn(RawResult) -> *const c_char,
    chdb_classify_query_n: unsafe extern "C" fn(
        RawConnection,
        *const c_char,
        usize,
        *const c_char,
        usize,
        *mut RawAnalysis,
    ) -> c_int,
}

impl Api {
    /// Opens the library and checks its version.
    ///
    /// Installs none of the library's signal handlers: signals are the service's own business.
    pub(super) fn open(path: &Path) -> Result<Self, WarehouseError> {
        let unusable = |reason: libloading::Error| WarehouseError::LibraryUnusable {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        // SAFETY: the library's initialisers run here; it is the pinned engine, installed by the
        // operator, and the process has already been confined.
        let library = unsafe { Library::new(path) }.map_err(unusable)?;
        let api = Self::resolve(library).map_err(unusable)?;
        // SAFETY: takes no arguments, returns a constant string of the library.
        let found = unsafe { super::connection::text((api.chdb_version)()) }.unwrap_or_default();
        if found != WANTED_VERSION {
            return Err(WarehouseError::WrongVersion { path: path.to_owned(), found, wanted: WANTED_VERSION });
        }
        // SAFETY: may be called at any time; takes a flag.
        unsafe { (api.chdb_set_signal_handlers_enabled)(0) };
        Ok(api)
    }
}
