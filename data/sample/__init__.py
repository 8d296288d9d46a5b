"""Real daily bars that ship with Barcast, free to redistribute, and the script that extracted them (SOURCES.md)."""
