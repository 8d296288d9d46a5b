"""Speed and memory, as ratios within one run: machines differ, and this one may be busy."""
