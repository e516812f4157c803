"""What staff may do, over the services of the inner rings. The command line (`hub.cli`) is its first face; pages and an API follow.

access        Permission, the roles that hold them, `check_may`
billers       billers, their policies and advanced settings
partners      partners, their API keys, origins and ReturnUrls
destinations  the RedirectID table of a biller
people        customers and users
history       the change log: read, verify, checkpoint; refusals by reference

Every method takes the member of staff and the request id first, asks `check_may`, and leaves the work to the service that the
partner API uses too: no rule lives here but who may.
"""
