"""Standing campaign: random input of every kind, seeded, in bounded time."""
