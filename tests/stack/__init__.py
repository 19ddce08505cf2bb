"""PostgreSQL and Kafka for the tests: embedded, or in containers."""
