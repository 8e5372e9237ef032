"""Valid files of every format that is read, and ways to damage them, for the campaign and for tests."""
