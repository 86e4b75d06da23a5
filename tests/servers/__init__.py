"""Real servers for tests, each found in this order: an address in the environment; binaries on the machine,
started privately on free loopback ports; a container where a Docker engine answers; else the tests that need
it are skipped by name, and fail where `CI` is set.

Each server is an object with `start()`, `stop()` and `kill()`, so that tests can take it away and
give it back.
"""
