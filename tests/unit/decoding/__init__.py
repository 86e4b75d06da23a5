"""The collector's own decoder: spelling by spelling."""
