"""The stores in SQL, one file per noun: constant Core statements, no ORM.

A store satisfies the Protocol in its noun's file and works on one `Work` (hub.storage.work): a connection, the time, and the
stamps of what it changed. What a row means is in the noun's file; how it is kept, here.

    rows        from dataclass to row and back
    conflicts   upserts, and what a broken unique rule means
    dialects    statements that differ more than that
"""
