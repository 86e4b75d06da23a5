"""The collector's decisions, one by one."""
