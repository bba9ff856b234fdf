"""A run as one HTML page: ``gather`` reads the journal, ``page`` shows what was gathered, ``charts`` draws it."""
