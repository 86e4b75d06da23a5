"""The state made again from the log, on real servers."""
