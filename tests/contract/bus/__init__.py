"""One behaviour suite for every bus: what the port promises, on a real broker and a real database."""
