"""The collector against simulated vCenters, on a real store and bus."""
