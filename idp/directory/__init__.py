"""Who and what a biller knows: billers and their hosts, partners and their API keys, customers, users, registrations.

A noun's file has its frozen dataclass, its rules, its service and the small Protocol that its storage must satisfy. Every store
method takes the biller first; the four look-ups that cannot (host, issuer path, key digest, client id) return the biller.
"""
