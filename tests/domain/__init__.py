"""The rules, as given, when and then."""
