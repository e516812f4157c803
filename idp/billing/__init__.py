"""What a payer owes and how it is paid: invoices now; enrolments, methods and payments with their own issues."""
