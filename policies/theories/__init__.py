"""The seed's five theories, each behind the class that the seed gives it. Torch is imported here."""
