"""Weekdays without a session, one table an exchange, and the script that writes them."""
