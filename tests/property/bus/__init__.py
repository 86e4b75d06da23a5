"""The bus: properties of its pure parts."""
