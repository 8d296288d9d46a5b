"""Documents that are made from artifacts and a running service (``make docs``), and the tests that hold them."""
