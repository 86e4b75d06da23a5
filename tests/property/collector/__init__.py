"""The collector's decisions, for whatever a vCenter may say."""
