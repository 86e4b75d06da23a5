"""The collector's own decoder on what simulated vCenters really send."""
