//! `kt` as its user meets it: the real binary, the real engines, a data directory and ports of its own.

mod backfill;
mod backtest;
mod command_line;
mod crash;
mod environment;
mod flyway;
mod lifecycle;
mod migrations;
mod notebooks;
mod obstacles;
mod orchestration;
mod pages;
mod research;
mod signals;
mod spine;
mod support;
mod tiers;
mod trade;
