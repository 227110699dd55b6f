//! kt-migrate
