"""What only one of the buses has."""
