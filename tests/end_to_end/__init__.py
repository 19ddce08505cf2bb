"""The whole path over real processes: PostgreSQL, Apache Kafka, every part of Stenolog and a real model."""
