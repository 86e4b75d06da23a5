"""Properties of the command line's pure parts."""
