//! kt-warehouse
