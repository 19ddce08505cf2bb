"""The HTTP face: routes, authentication, errors and uploads."""
