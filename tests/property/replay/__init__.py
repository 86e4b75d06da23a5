"""What replays decide without a bus."""
