"""What turns rows into tables people trust: instruments, backfill, transformations, backtests."""
