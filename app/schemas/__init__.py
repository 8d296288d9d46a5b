"""What travels over HTTP, as msgspec structs; the OpenAPI schemas are generated from them."""
