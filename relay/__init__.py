"""The relay: what the log holds, in Kafka, each event once."""
