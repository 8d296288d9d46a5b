"""The skill report: every model against strong rivals, forward in time and on symbols that it never saw."""
