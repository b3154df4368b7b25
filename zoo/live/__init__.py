"""Looking at runs that go on, and changing none: a snapshot, a view in a terminal, pages served to a browser."""
