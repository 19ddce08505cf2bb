"""The worker: jobs from Kafka in, transcripts to the object store, reports to Kafka out."""
