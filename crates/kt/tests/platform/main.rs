//! `kt` as its user meets it: the real binary, the real engines, a data directory and ports of its own.

mod command_line;
mod crash;
mod lifecycle;
mod migrations;
mod obstacles;
mod signals;
mod spine;
mod support;
