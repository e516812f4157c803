"""Files that billers send: what is in them, row by row, and what becomes of it.

    bif_columns   which column of a Biller Invoice File holds what: the map of a biller
    bif_rows      bytes to rows, within limits, in the right order
    bif_values    one cell to one value, or the reason why not
    bif_records   what a file holds, as values
    bif           rows to invoices: the two passes `check` and `groups`
    apply         invoices against what is stored: what is to be written
    runner        one import from the file to its end: lease, check, batches, report
    runs          one import: who sent what, what became of it, the report
    uploads       files that come by API: received piece by piece, kept sealed, imported by the worker
    folder        files that are dropped into a folder, imported by the worker

The parsers are pure: a file and a map in, frozen values out. They know no store, no clock and no biller's row;
`apply` is handed what is stored and the time, `runner` has the stores.
"""
