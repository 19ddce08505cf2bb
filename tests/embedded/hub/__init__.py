"""Models fetched with the hub's real client, from a hub on loopback."""
