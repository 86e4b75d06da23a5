"""The bus: its pure parts."""
