"""The verbs that reach over users, registrations, enrolments, sessions and mail."""
