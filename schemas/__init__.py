"""What others see: stored events, Kafka messages, object keys and HTTP bodies."""
