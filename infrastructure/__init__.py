"""Adapters to PostgreSQL, Kafka, object stores and media, and everything that starts them."""
