"""The service: transport around `feature_mapper`, `data` and `models`."""
