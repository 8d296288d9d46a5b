"""Pages for people: no foreign origin, no inline script or style, readable without JavaScript but for /docs."""
