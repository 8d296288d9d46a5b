"""Transport: from requests to the plane and back. Each module declares ``operations``."""
