"""The main job from outside: services as processes, messages as bytes, vCenters over their API."""
