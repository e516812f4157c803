"""Being signed in: sessions now; passwords, MFA and interactions with their own issues."""
