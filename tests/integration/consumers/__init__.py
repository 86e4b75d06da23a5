"""Programs of docs/how-to/consumers and the rights of their users, on a real broker."""
