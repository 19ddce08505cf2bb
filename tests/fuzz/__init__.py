"""The OpenAPI document asked of a running system by schemathesis: whatever it allows, and whatever it does not."""
