"""The rules: events, states and decisions, with no input, output, clock or event loop."""
