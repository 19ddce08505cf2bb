"""What a running system says of itself in numbers, in the text format of Prometheus."""
