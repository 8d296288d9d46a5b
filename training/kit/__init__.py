"""The ritual that every training script shares."""
