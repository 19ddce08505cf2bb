"""Adapters to Kafka."""
