"""Progress reports and heartbeats of ranks, and the watchdog that reads them."""
